import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.SignatureException;
import java.security.spec.X509EncodedKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * A listener for lmshooks: verifies, de-duplicates, queues, answers. Java 17 or later, and Jackson (jackson-databind)
 * to read JSON.
 *
 * <pre>WEBHOOK_SECRETS="whsec_..." java -cp 'jars/*' Receiver.java 8080</pre>
 *
 * While a secret is rotated, give both, parted by a space. A public key (whpk_...) stands there as a secret does. Paste
 * it, and put your work into {@link #process}.
 */
public final class Receiver {
    /** Between the sender's clock and ours. */
    private static final Duration TOLERANCE = Duration.ofMinutes(5);

    /** Bytes; lmshooks sends 1 MiB, or one larger event of at most 5 MiB. */
    private static final int LARGEST_BODY = 6 * 1024 * 1024;

    /** Event ids. */
    private static final int REMEMBERED = 100_000;

    /** Events that wait for their turn. */
    private static final int CAPACITY = 20_000;

    /** Signatures of a key pair in one request: each costs a reading of the whole body. */
    private static final int TRIED = 10;

    /** What stands before an Ed25519 public key's 32 bytes to make it X.509 (RFC 8410). */
    private static final byte[] X509 = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

    private static final ObjectMapper JSON = new ObjectMapper();

    private record Event(String account, String id, JsonNode content) {}

    /** Tells whether one of the entries of webhook-signature is by its key. */
    private interface Verifier {
        boolean fits(byte[] content, String[] given) throws GeneralSecurityException;
    }

    private final List<Verifier> keys;
    private final Inbox inbox = new Inbox();

    private Receiver(List<Verifier> keys) {
        this.keys = keys;
    }

    /** The slow work, in order. It runs after the answer. */
    private static void process(Event event) {
        System.out.println(
                "processed " + event.account() + " " + event.id() + " " + event.content().path("eventName").asText());
    }

    /** Whether one of our keys signed these very bytes, not long ago (Standard Webhooks). */
    private boolean signed(String id, String timestamp, String given, byte[] body) throws GeneralSecurityException {
        if (id == null || given == null || timestamp == null || !timestamp.matches("[0-9]{1,15}")) {
            return false;
        }
        Instant sent = Instant.ofEpochSecond(Long.parseLong(timestamp));
        if (Duration.between(sent, Instant.now()).abs().compareTo(TOLERANCE) > 0) {
            return false;
        }
        byte[] content = joined((id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8), body);
        boolean matches = false;
        for (Verifier key : keys) {
            matches |= key.fits(content, given.split(" "));
        }
        return matches;
    }

    /** A secret (whsec_, v1) or a public key (whpk_, v1a). */
    private static Verifier verifier(String text) throws GeneralSecurityException {
        if (text.startsWith("whsec_")) {
            byte[] secret = Base64.getDecoder().decode(text.substring(6));
            return (content, given) -> ofSecret(new SecretKeySpec(secret, "HmacSHA256"), content, given);
        }
        if (text.startsWith("whpk_")) {
            byte[] key = joined(X509, Base64.getDecoder().decode(text.substring(5)));
            PublicKey ours = KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(key));
            return (content, given) -> ofPair(ours, content, given);
        }
        throw new IllegalArgumentException("a key in WEBHOOK_SECRETS is neither whsec_ nor whpk_");
    }

    private static boolean ofSecret(SecretKeySpec secret, byte[] content, String[] given)
            throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(secret);
        String expected = "v1," + Base64.getEncoder().encodeToString(mac.doFinal(content));
        boolean matches = false;
        for (String signature : given) {
            // In constant time.
            matches |= MessageDigest.isEqual(
                    expected.getBytes(StandardCharsets.UTF_8), signature.getBytes(StandardCharsets.UTF_8));
        }
        return matches;
    }

    private static boolean ofPair(PublicKey key, byte[] content, String[] given) throws GeneralSecurityException {
        List<String> ours = Arrays.stream(given).filter(each -> each.startsWith("v1a,")).limit(TRIED).toList();
        for (String each : ours) {
            try {
                Signature signature = Signature.getInstance("Ed25519");
                signature.initVerify(key);
                signature.update(content);
                if (signature.verify(Base64.getDecoder().decode(each.substring(4)))) {
                    return true;
                }
            } catch (SignatureException | IllegalArgumentException noSignature) {
                // Not one of 64 bytes, or not base64: the next one may be.
            }
        }
        return false;
    }

    private static byte[] joined(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    /**
     * New events, each once, in the order in which they came.
     *
     * <p>In memory, so a crash loses what waits. To lose nothing, write the events and their ids in one transaction of
     * your database before the answer, and let a unique index refuse the duplicates.
     */
    private static final class Inbox {
        private final BlockingQueue<Event> waiting = new LinkedBlockingQueue<>();
        private final Map<List<String>, Boolean> seen = new LinkedHashMap<>() {
            @Override
            protected boolean removeEldestEntry(Map.Entry<List<String>, Boolean> eldest) {
                return size() > REMEMBERED;
            }
        };

        /** Whether there was room; if not, nothing was taken. */
        synchronized boolean put(List<Event> events) {
            Map<List<String>, Event> fresh = new LinkedHashMap<>();
            for (Event event : events) {
                List<String> key = List.of(event.account(), event.id());
                if (!seen.containsKey(key)) {
                    fresh.putIfAbsent(key, event);
                }
            }
            if (waiting.size() + fresh.size() > CAPACITY) {
                return false;
            }
            fresh.keySet().forEach(key -> seen.put(key, true));
            waiting.addAll(fresh.values());
            return true;
        }

        void work() {
            while (true) {
                Event event;
                try {
                    event = waiting.take();
                } catch (InterruptedException stopped) {
                    return;
                }
                try {
                    process(event);
                } catch (RuntimeException failed) {
                    // It is answered for: keep it somewhere, and go on.
                    System.err.println("failed " + event.account() + " " + event.id() + " " + failed);
                }
            }
        }
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            int status = answer(exchange);
            if (status == 503) {
                exchange.getResponseHeaders().set("Retry-After", "1");
            }
            exchange.sendResponseHeaders(status, -1);
        }
    }

    private int answer(HttpExchange exchange) throws IOException {
        if (!exchange.getRequestMethod().equals("POST")) {
            return 405;
        }
        byte[] body = exchange.getRequestBody().readNBytes(LARGEST_BODY + 1);
        if (body.length > LARGEST_BODY) {
            return 413;
        }
        var headers = exchange.getRequestHeaders();
        try {
            // First the signature, over the bytes as they came; only then look into them.
            if (!signed(
                    headers.getFirst("webhook-id"),
                    headers.getFirst("webhook-timestamp"),
                    headers.getFirst("webhook-signature"),
                    body)) {
                return 401;
            }
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException(impossible);
        }
        List<Event> events = read(body);
        if (events == null) {
            return 400;
        }
        return inbox.put(events) ? 202 : 503;
    }

    /** The events; null when it is no envelope. */
    private static List<Event> read(byte[] body) {
        try {
            JsonNode envelope = JSON.readTree(body);
            JsonNode account = envelope.path("accountId");
            if (!account.isValueNode() || !envelope.path("events").isArray()) {
                return null;
            }
            List<Event> events = new ArrayList<>();
            for (JsonNode event : envelope.path("events")) {
                if (!event.path("eventId").isTextual()) {
                    return null;
                }
                events.add(new Event(account.asText(), event.path("eventId").asText(), event));
            }
            return events;
        } catch (IOException notJson) {
            return null;
        }
    }

    public static void main(String[] arguments) throws IOException, GeneralSecurityException {
        List<Verifier> keys = new ArrayList<>();
        for (String each : System.getenv("WEBHOOK_SECRETS").trim().split("\\s+")) {
            keys.add(verifier(each));
        }
        Receiver receiver = new Receiver(keys);
        Thread worker = new Thread(receiver.inbox::work, "inbox");
        worker.setDaemon(true);
        worker.start();
        System.setProperty("sun.net.httpserver.maxReqTime", "10"); // seconds in which a request must have come
        int port = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 8080;
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/", receiver::handle);
        server.setExecutor(Executors.newFixedThreadPool(16));
        server.start();
        System.out.println("listening on http://127.0.0.1:" + server.getAddress().getPort() + "/");
    }
}

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes events to Kafka so that lmshooks keeps their order. Java 17 or later, kafka-clients, and Jackson to read JSON.
 *
 * <pre>java -cp 'jars/*' Producer.java localhost:9092 lms.events &lt; events.jsonl</pre>
 *
 * Each line is one record: an event with {@code accountId} beside {@code eventId}, or an envelope of them. It stands for
 * your outbox: read it in order, and take away what is acknowledged.
 */
public final class Producer {
    /** Records that wait for their acknowledgement. */
    private static final int AT_ONCE = 1000;

    private static final ObjectMapper JSON = new ObjectMapper();

    private int done;

    private static Map<String, Object> settings(String bootstrap) {
        Map<String, Object> settings = new HashMap<>();
        settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
        settings.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
        // Every in-sync replica has it, or it is not acknowledged.
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        // A retry is recognised: no duplicate.
        settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        // No other order, either. With more at a time, a broker that has just got a partition may refuse the first request
        // and take the second (KAFKA-15591).
        settings.put(ProducerConfig.MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION, 1);
        // It is tried for so long; then it is an error, and you begin again.
        settings.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, 120_000);
        settings.put(ProducerConfig.LINGER_MS_CONFIG, 5);
        return settings;
    }

    private void write(KafkaProducer<String, String> producer, String topic, BufferedReader lines)
            throws IOException, InterruptedException, ExecutionException {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            // The key decides the partition, and order is a partition's: one account, one key, one partition.
            String key = JSON.readTree(line).path("accountId").asText();
            // The text as it is: what is written is what listeners get.
            sent.add(producer.send(new ProducerRecord<>(topic, key, line)));
            if (sent.size() == AT_ONCE) {
                settle(sent);
            }
        }
        producer.flush();
        settle(sent);
    }

    /** Waits for what was sent, in order; the first that failed ends it. */
    private void settle(List<Future<RecordMetadata>> sent) throws InterruptedException, ExecutionException {
        for (Future<RecordMetadata> each : sent) {
            each.get();
            done++;
        }
        sent.clear();
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        KafkaProducer<String, String> producer = new KafkaProducer<>(settings(arguments[0]));
        Producer writing = new Producer();
        try {
            writing.write(
                    producer,
                    arguments[1],
                    new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)));
            producer.close();
        } catch (ExecutionException failed) {
            // Nothing more may go out: what comes after it would overtake it.
            producer.close(Duration.ZERO);
            System.err.println(writing.done + " records are written; begin again after them, same ids: "
                    + failed.getCause());
            System.exit(1);
        }
        System.out.println(writing.done + " records written");
    }
}

// A listener for lmshooks: verifies, de-duplicates, queues, answers. Go 1.21 or later, standard library only.
//
//	WEBHOOK_SECRETS="whsec_..." go run receiver.go 8080
//
// While a secret is rotated, give both, parted by a space. A public key (whpk_...) stands there as a secret does. Paste it,
// and put your work into process.
package main

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	tolerance   = 5 * time.Minute // between the sender's clock and ours
	largestBody = 6 << 20         // bytes; lmshooks sends 1 MiB, or one larger event of at most 5 MiB
	remembered  = 100_000         // event ids
	capacity    = 20_000          // events that wait for their turn
	tried       = 10              // signatures of a key pair in one request: each costs a reading of the whole body
)

type event struct {
	account string
	ID      *string         `json:"eventId"`
	Name    string          `json:"eventName"`
	Data    json.RawMessage `json:"data"`
}

type envelope struct {
	AccountID json.RawMessage `json:"accountId"` // a number or a string
	Events    []event         `json:"events"`
}

// process is the slow work, in order. It runs after the answer.
func process(e event) error {
	fmt.Println("processed", e.account, *e.ID, e.Name)
	return nil
}

// signed tells whether one of our keys signed these very bytes, not long ago (Standard Webhooks).
func signed(keys []verifier, headers http.Header, body []byte) bool {
	id, timestamp := headers.Get("webhook-id"), headers.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if id == "" || err != nil || time.Since(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	content := append([]byte(id+"."+timestamp+"."), body...)
	given := strings.Split(headers.Get("webhook-signature"), " ")
	matches := false
	for _, fits := range keys {
		if fits(content, given) {
			matches = true
		}
	}
	return matches
}

// verifier tells whether one of the entries of webhook-signature is by its key.
type verifier func(content []byte, given []string) bool

// verifierOf takes a secret (whsec_, v1) or a public key (whpk_, v1a).
func verifierOf(text string) (verifier, error) {
	kind, encoded, _ := strings.Cut(text, "_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case err == nil && kind == "whsec":
		return func(content []byte, given []string) bool { return ofSecret(key, content, given) }, nil
	case err == nil && kind == "whpk" && len(key) == ed25519.PublicKeySize:
		return func(content []byte, given []string) bool { return ofPair(key, content, given) }, nil
	}
	return nil, errors.New("a key in WEBHOOK_SECRETS is neither whsec_ nor whpk_ and base64")
}

func ofSecret(secret, content []byte, given []string) bool {
	mac := hmac.New(sha256.New, secret)
	mac.Write(content)
	expected := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	matches := false
	for _, signature := range given {
		if hmac.Equal([]byte(expected), []byte(signature)) { // in constant time
			matches = true
		}
	}
	return matches
}

func ofPair(public ed25519.PublicKey, content []byte, given []string) bool {
	count := 0
	for _, each := range given {
		encoded, ours := strings.CutPrefix(each, "v1a,")
		if !ours {
			continue
		}
		if count++; count > tried {
			return false
		}
		signature, err := base64.StdEncoding.DecodeString(encoded)
		if err == nil && ed25519.Verify(public, content, signature) {
			return true
		}
	}
	return false
}

// inbox takes new events, each once, in the order in which they came.
//
// In memory, so a crash loses what waits. To lose nothing, write the events and their ids in one transaction of your
// database before the answer, and let a unique index refuse the duplicates.
type inbox struct {
	mutex   sync.Mutex
	seen    map[string]struct{}
	oldest  []string // of seen, in the order in which they came; a ring once it is full
	next    int
	waiting chan event
}

func newInbox() *inbox {
	return &inbox{seen: make(map[string]struct{}), waiting: make(chan event, capacity)}
}

// put tells whether there was room; if not, nothing was taken.
func (in *inbox) put(events []event) bool {
	in.mutex.Lock()
	defer in.mutex.Unlock()
	fresh := make([]event, 0, len(events))
	keys := make(map[string]struct{}, len(events))
	for _, e := range events {
		key := e.account + "\x00" + *e.ID
		_, known := in.seen[key]
		if _, twice := keys[key]; !known && !twice {
			keys[key] = struct{}{}
			fresh = append(fresh, e)
		}
	}
	if len(in.waiting)+len(fresh) > capacity {
		return false
	}
	for _, e := range fresh {
		in.remember(e.account + "\x00" + *e.ID)
		in.waiting <- e
	}
	return true
}

func (in *inbox) remember(key string) {
	in.seen[key] = struct{}{}
	if len(in.oldest) < remembered {
		in.oldest = append(in.oldest, key)
		return
	}
	delete(in.seen, in.oldest[in.next])
	in.oldest[in.next] = key
	in.next = (in.next + 1) % remembered
}

func (in *inbox) work() {
	for e := range in.waiting {
		if err := process(e); err != nil {
			log.Println("failed", e.account, *e.ID, err) // it is answered for: keep it somewhere, and go on
		}
	}
}

type receiver struct {
	keys  []verifier
	inbox *inbox
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, largestBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
		return
	// First the signature, over the bytes as they came; only then look into them.
	case !signed(r.keys, request.Header, body):
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	events, err := read(body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !r.inbox.put(events) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func read(body []byte) ([]event, error) {
	var found envelope
	if err := json.Unmarshal(body, &found); err != nil {
		return nil, err
	}
	if found.AccountID == nil || found.Events == nil {
		return nil, errors.New("no accountId, or no events")
	}
	account := strings.Trim(string(found.AccountID), `"`)
	for i := range found.Events {
		if found.Events[i].ID == nil {
			return nil, errors.New("an event without eventId")
		}
		found.Events[i].account = account
	}
	return found.Events, nil
}

func main() {
	var keys []verifier
	for _, each := range strings.Fields(os.Getenv("WEBHOOK_SECRETS")) {
		key, err := verifierOf(each)
		if err != nil {
			log.Fatal(err)
		}
		keys = append(keys, key)
	}
	port := "8080"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		log.Fatal(err)
	}
	receiver := &receiver{keys, newInbox()}
	go receiver.inbox.work()
	fmt.Printf("listening on http://%s/\n", listener.Addr())
	server := &http.Server{Handler: receiver, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	log.Fatal(server.Serve(listener))
}

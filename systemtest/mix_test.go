package systemtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The mix. A bulk carries as many records as fifty single writes, so with 2 % of
// bulks about half of the records come in bulks.
const (
	bulkRecords = 50
	usersMax    = 4000 // per writer; then only known users are written
)

// segments holds titles that need care in paths, JSON and SQL.
var segments = []string{
	"RU", "z12XTowIA2", "1aa1x", "sports", "a b", "50%", "news/eu", "спорт", "日本", "it's", `"quoted"`, "tail.",
}

// operation is one request of a writer and what it means to the model.
type operation struct {
	method, path, contentType string

	body    []byte
	writes  []record     // of a POST
	deletes []membership // of a DELETE
	bulk    bool
}

// next chooses an operation.
func (w *writer) next() operation {
	switch p := w.rng.IntN(100); {
	case p < 2:
		return w.bulk()
	case p < 8:
		if op, ok := w.deletion(); ok {
			return op
		}
	}
	r := w.record()
	body, err := json.Marshal(recordJSON(r))
	if err != nil {
		panic(err) // a map of strings and numbers
	}
	return operation{
		method: http.MethodPost, path: "/users", contentType: "application/json",
		body: body, writes: []record{r},
	}
}

func recordJSON(r record) map[string]any {
	return map[string]any{"ID": r.id, "segment": r.segment, "expiredSegment": r.expiry}
}

func (w *writer) bulk() operation {
	op := operation{method: http.MethodPost, path: "/users", contentType: "application/x-ndjson", bulk: true}
	for range bulkRecords {
		r := w.record()
		line, err := json.Marshal(recordJSON(r))
		if err != nil {
			panic(err) // a map of strings and numbers
		}
		op.writes = append(op.writes, r)
		op.body = append(append(op.body, line...), '\n')
	}
	return op
}

// record chooses a write: of a new user, or one more, later, earlier, equal or
// past expiry for a known one. Expiries keep an hour's distance from now, so that
// nothing expires while a test looks.
func (w *writer) record() record {
	now := time.Now().Unix()
	ahead := now + 3600 + w.rng.Int64N(300*86400)
	if len(w.users) < 10 || (len(w.users) < usersMax && w.rng.IntN(100) < 45) {
		id := w.newUser()
		key := membership{id, w.segment()}
		if w.rng.IntN(20) == 0 {
			return record{key, now - 3600 - w.rng.Int64N(1000*86400)}
		}
		return record{key, ahead}
	}
	key := membership{w.knownUser(), w.segment()}
	held, ok := w.model[key]
	if !ok {
		return record{key, ahead}
	}
	switch w.rng.IntN(5) {
	case 0:
		return record{key, held} // a duplicate
	case 1:
		return record{key, max(held-1-w.rng.Int64N(86400), now+3600)} // earlier, most often
	case 2:
		return record{key, now - 3600 - w.rng.Int64N(86400)} // past
	case 3:
		return record{key, held + 1 + w.rng.Int64N(20)} // later, often in the same bucket
	default:
		return record{key, max(min(held+w.rng.Int64N(86400), now+390*86400), now+3600)}
	}
}

func (w *writer) segment() string {
	// Skewed, as segments are: the first is the largest.
	return segments[w.rng.IntN(1+w.rng.IntN(len(segments)))]
}

// newUser makes an ID; some need escaping, some are as long as an ID may be.
func (w *writer) newUser() string {
	w.serial++
	id := fmt.Sprintf("w%d-u%d", w.number, w.serial)
	switch w.rng.IntN(50) {
	case 0:
		id += "/пользователь ?&#%41+;\"'\\"
	case 1:
		id += strings.Repeat("x", 128-len(id))
	}
	w.users = append(w.users, id)
	return id
}

func (w *writer) knownUser() string {
	for {
		id := w.users[w.rng.IntN(len(w.users))]
		if !w.closed[id] {
			return id
		}
		w.forget(id)
		if len(w.users) < 10 {
			return w.newUser()
		}
	}
}

func (w *writer) forget(id string) {
	for i, user := range w.users {
		if user == id {
			w.users[i] = w.users[len(w.users)-1]
			w.users = w.users[:len(w.users)-1]
			return
		}
	}
}

// deletion ends one membership, or sometimes erases a user, if the order with
// every earlier write of the user is certain.
func (w *writer) deletion() (operation, bool) {
	if len(w.users) == 0 {
		return operation{}, false
	}
	id := w.knownUser()
	if w.unsure[id] {
		return operation{}, false
	}
	var held []membership
	for _, segment := range segments {
		if _, ok := w.model[membership{id, segment}]; ok {
			held = append(held, membership{id, segment})
		}
	}
	if len(held) == 0 {
		return operation{}, false
	}
	if w.rng.IntN(5) == 0 {
		return operation{method: http.MethodDelete, path: userURL("", id), deletes: held}, true
	}
	one := held[w.rng.IntN(len(held))]
	return operation{
		method: http.MethodDelete, path: membershipURL("", id, one.segment),
		deletes: []membership{one},
	}, true
}

// postOf is the request for a single write.
func postOf(n *node, r record) request {
	body, err := json.Marshal(recordJSON(r))
	if err != nil {
		panic(err) // a map of strings and numbers
	}
	return request{method: http.MethodPost, url: n.base + "/users", contentType: "application/json", body: body}
}

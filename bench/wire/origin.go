package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"time"
)

// An origin is the server at the end of the wire. It gives back what it is sent, and for
// a GET what the job's number says. It never fails: what goes wrong is the wire's.
type origin struct {
	*httptest.Server
	size     int           // of a body, about
	takes    time.Duration // an answer
	requests atomic.Int64  // that were answered, whether or not the answer came through
}

func newOrigin(size int, takes time.Duration) *origin {
	o := &origin{size: size, takes: takes}
	o.Server = httptest.NewServer(o)
	return o
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	job, err := strconv.Atoi(r.URL.Path[1:])
	if err != nil {
		http.Error(w, fmt.Sprintf("got %q, want a job's number", r.URL.Path), http.StatusBadRequest)
		return
	}
	text := content(job, o.size)
	if r.Method == http.MethodPut {
		if text, err = io.ReadAll(r.Body); err != nil {
			return // the request broke off, and nobody waits for an answer
		}
	}
	time.Sleep(o.takes)
	if o.requests.Add(1)%4 == 0 {
		w.Header().Set("Connection", "close") // faults are drawn by the connection: have new ones
	}
	_, _ = w.Write(text) // an error means that the client has gone
}

// content returns the bytes of a job: about so many, and no two jobs have the same.
func content(job, size int) []byte {
	random := rand.New(rand.NewPCG(uint64(job), 7))
	var b bytes.Buffer
	fmt.Fprintf(&b, "job %d\n", job)
	for n := size/2 + random.IntN(size); b.Len() < n; {
		fmt.Fprintf(&b, "%016x\n", random.Uint64())
	}
	return b.Bytes()
}

package main

import (
	"encoding/json"
	"hash/fnv"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	path    = "/v1/embeddings"
	most    = 100             // texts in a call
	longest = 200             // bytes of a text
	quota   = 8000            // tokens in a window
	window  = 2 * time.Second // a minute, cut short
	latency = 50 * time.Millisecond
	faults  = 400 // one text of so many fails, once
	invalid = "invalid text"

	dimensions = 256 // of a vector
)

// What both sides speak.
type (
	request struct {
		Texts []string `json:"texts"`
	}
	response struct {
		Data   []item `json:"data"` // one for each text
		Tokens int64  `json:"tokens"`
	}
	item struct {
		Vector vector `json:"vector,omitempty"`
		Error  string `json:"error,omitempty"`
	}
	vector []float32
)

// A server embeds texts.
type server struct {
	url  string
	http http.Server

	mu      sync.Mutex // every call runs in a goroutine of its own
	begun   time.Time  // the window
	used    int64      // of it
	served  int        // texts
	refused int        // calls over the quota
}

func startServer() (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + listener.Addr().String()}
	routes := http.NewServeMux()
	routes.HandleFunc("POST "+path, s.embed)
	s.http.Handler = routes
	go s.http.Serve(listener) // until close
	return s, nil
}

func (s *server) close() { s.http.Close() }

func (s *server) embed(w http.ResponseWriter, r *http.Request) {
	var req request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&req); err != nil || len(req.Texts) > most {
		http.Error(w, "want at most 100 texts", http.StatusBadRequest)
		return
	}
	res := response{Data: make([]item, len(req.Texts))}
	for _, text := range req.Texts {
		res.Tokens += int64(len(text)+3) / 4
	}
	if !s.admit(res.Tokens) {
		http.Error(w, "the quota of tokens is used up", http.StatusTooManyRequests)
		return
	}
	time.Sleep(latency)
	for i, text := range req.Texts {
		switch {
		case text == "" || len(text) > longest:
			res.Data[i].Error = invalid
		case s.fails():
			res.Data[i].Error = "internal error"
		default:
			res.Data[i].Vector = embed(text)
		}
	}
	_ = json.NewEncoder(w).Encode(res) // a caller who is gone by now learns nothing
}

// admit charges for a call, if the window has enough left.
func (s *server) admit(tokens int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.begun) >= window {
		s.begun, s.used = now, 0
	}
	if s.used+tokens > quota {
		s.refused++
		return false
	}
	s.used += tokens
	return true
}

func (s *server) fails() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served++
	return s.served%faults == 0
}

// embed hashes the groups of three letters of a text into a vector of length 1, as
// fastText does with the parts of words.
func embed(text string) vector {
	v := make(vector, dimensions)
	letters := []rune("^" + strings.ToLower(text) + "$")
	for i := range len(letters) - 2 {
		h := fnv.New32a()
		h.Write([]byte(string(letters[i : i+3])))
		v[h.Sum32()%dimensions]++
	}
	var square float64
	for _, x := range v {
		square += float64(x * x)
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(square))
	}
	return v
}

// likeness is the cosine between two vectors of length 1.
func likeness(a, b vector) (cosine float32) {
	for i := range min(len(a), len(b)) {
		cosine += a[i] * b[i]
	}
	return cosine
}

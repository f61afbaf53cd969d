#!/usr/bin/env bash
# google.golang.org/genai v1.77.0 (Go module), GenerateContent of the Gemini API.
#
# The error of a refused call has the status that stands in the body, not that of the response. Where the body is JSON that
# has no "code", as a proxy or a gateway in between may write it, a 429 is an APIError with Code 0 and an empty Status: who
# asks the error whether it was a refusal is told nothing. Where the body is not JSON, the status of the response is there.
# The header, and with it Retry-After, is in neither.
#
# Seen, of a 429 with that body:
#   {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}  Code 429, Status "RESOURCE_EXHAUSTED"
#   {"error": {"message": "slow down"}}                                               Code 0, Status ""
#   slow down                                                                         Code 429, Status "429 Too Many Requests"
#
# Needs Go. Ends with 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export GOFLAGS=-mod=mod

cat >main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"

	"google.golang.org/genai"
)

// code returns what the error of a call says that was refused with a body.
func code(body string) int {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, body)
	}))
	defer server.Close()
	client, err := genai.NewClient(context.Background(), &genai.ClientConfig{
		APIKey: "none", Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: server.URL},
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_, err = client.Models.GenerateContent(context.Background(), "gemini-2.5-flash", genai.Text("Hello?"), nil)
	var said genai.APIError
	if !errors.As(err, &said) {
		fmt.Printf("got %v, want an APIError\n", err)
		os.Exit(1)
	}
	fmt.Printf("%s  Code %d, Status %q\n", body, said.Code, said.Status)
	return said.Code
}

func main() {
	google := code(`{"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}`)
	proxy := code(`{"error": {"message": "slow down"}}`)
	text := code("slow down")
	if google != 429 || proxy != 0 || text != 429 {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get google.golang.org/genai@v1.77.0 2>/dev/null
go run .

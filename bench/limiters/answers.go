package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// tellAnswers prints the fields of a limiter's first answer and of its first refusal, and how they are read.
func (h *house) tellAnswers(ctx context.Context, w io.Writer, chosen []limiter, window time.Duration) error {
	for _, l := range chosen {
		s, err := l.start(ctx, h, order{l.name, window, l.work})
		var m *missing
		switch {
		case errors.As(err, &m):
			fmt.Fprintf(w, "%s: not here, %v\n\n", l.name, m)
			continue
		case err != nil:
			return fmt.Errorf("%s: %w", l.name, err)
		}
		fmt.Fprintf(w, "%s: %s\n", l.name, l.about)
		for n := range 2 * perWindow {
			text, refused, err := ask(ctx, s.url)
			if err != nil {
				text, refused = "    "+err.Error()+"\n", true
			}
			if n == 0 || refused || n == 2*perWindow-1 {
				fmt.Fprint(w, text)
			}
			if refused {
				break
			}
		}
		fmt.Fprintln(w)
		s.stop()
	}
	return ctx.Err()
}

// ask returns what one answer says of limits.
func ask(ctx context.Context, url string) (text string, refused bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", false, err
	}
	begin := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", false, err
	}
	res.Body.Close()
	text = "    " + says(res) + "\n"
	for _, hint := range pacehttp.Hints(res, time.Now(), time.Since(begin)) {
		text += fmt.Sprintf("      read: %+v\n", hint)
	}
	return text, res.StatusCode >= 400, nil
}

// says returns the status of a response, and its fields that may be about limits.
func says(res *http.Response) string {
	text := fmt.Sprint(res.StatusCode)
	var keys []string
	for key := range res.Header {
		if lower := strings.ToLower(key); strings.Contains(lower, "rate") || strings.Contains(lower, "retry") || lower == "date" {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		text += fmt.Sprintf("  %s: %s", key, strings.Join(res.Header[key], " | "))
	}
	return text
}

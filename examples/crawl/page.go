package main

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// A page is what the journal keeps of one. Its links are the next jobs, also of a run that finds the page
// in the journal.
type page struct {
	Title string
	Bytes int64
	Links []string
}

// mostRead is how much of a page is read.
const mostRead = 10 << 20

// read makes a page of a response.
func read(res *http.Response) (page, error) {
	body := &counted{Reader: io.LimitReader(res.Body, mostRead)}
	var p page
	if to := resolve(res.Request.URL, res.Header.Get("Location")); to != "" && res.StatusCode >= 300 {
		p.Links = []string{to}
	} else if strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		p = parseHTML(body, res.Request.URL)
	}
	_, err := io.Copy(io.Discard, body)
	p.Bytes = body.bytes
	return p, err
}

type counted struct {
	io.Reader
	bytes int64
}

func (c *counted) Read(data []byte) (int, error) {
	n, err := c.Reader.Read(data)
	c.bytes += int64(n)
	return n, err
}

// parseHTML returns the title and the links of a page, each once and without what follows a #.
func parseHTML(body io.Reader, base *url.URL) (p page) {
	in := html.NewTokenizer(body)
	for {
		switch in.Next() {
		case html.ErrorToken: // its end, most likely
			slices.Sort(p.Links)
			p.Links = slices.Compact(p.Links)
			return p
		case html.StartTagToken, html.SelfClosingTagToken:
			token := in.Token()
			if token.Data == "title" && p.Title == "" && in.Next() == html.TextToken {
				p.Title = strings.TrimSpace(string(in.Text()))
			}
			for _, a := range token.Attr {
				if token.Data == "a" && a.Key == "href" {
					if link := resolve(base, a.Val); link != "" {
						p.Links = append(p.Links, link)
					}
				}
			}
		}
	}
}

// resolve returns the address that a link leads to; empty: it is not one of a page.
func resolve(base *url.URL, link string) string {
	u, err := base.Parse(strings.TrimSpace(link))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	u.Fragment, u.RawFragment, u.User = "", "", nil
	u.Host = strings.ToLower(u.Host)
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}

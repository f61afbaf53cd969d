package pacehttp

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// get returns the first value of a field whose name is written as http.Header keeps it.
func get(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// longest is the furthest that a server is believed to look ahead: there are
// quotas by the month. What is beyond is a mistake, often of a clock.
const longest = 31 * 24 * time.Hour

// exactDigits is how many digits a float64 holds of a whole number.
const exactDigits = 15

// decimal reads digits with at most one point in them: no sign, no exponent, no
// NaN.
func decimal(s string) (float64, bool) {
	if s == "" || len(s) > 20 {
		return 0, false
	}
	whole, point := int64(0), false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			point = true
		case !isDigit(c):
			return 0, false
		default:
			whole = whole*10 + int64(c-'0')
		}
	}
	if !point && len(s) <= exactDigits {
		return float64(whole), true // as nearly all are
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// isWhole reports whether a number has no fraction, nor a unit finer than a second.
func isWhole(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != ' ' && !isDigit(c) {
			return false
		}
	}
	return true
}

// amount reads how many there are. In the older drafts of RateLimit-Limit, a list
// of policies may follow.
func amount(s string) (int64, bool) {
	if i := strings.IndexAny(s, ",;"); i >= 0 {
		s = s[:i]
	}
	v, ok := decimal(strings.TrimSpace(s))
	if !ok || v > 1<<53 {
		return 0, false
	}
	return int64(v), true
}

// within returns a time of so many units, if a server may mean it.
func within(v float64, unit time.Duration) (time.Duration, bool) {
	d := math.Ceil(v * float64(unit))
	return time.Duration(d), d > 0 && d <= float64(longest)
}

// epoch reads a point in time as seconds or milliseconds since 1970. No server that counts
// from now means thirty years.
func epoch(v float64) (time.Time, bool) {
	switch {
	case v >= 1e9 && v < 1e11:
		return time.UnixMilli(int64(math.Ceil(v * 1e3))), true
	case v >= 1e12 && v < 1e14:
		return time.UnixMilli(int64(math.Ceil(v))), true
	}
	return time.Time{}, false
}

// moment reads a point in time that is written as one: 2026-06-21T12:00:00Z, or a date.
func moment(s string) (time.Time, bool) {
	if s != "" && isDigit(s[0]) {
		at, err := time.Parse(time.RFC3339, s)
		return at, err == nil
	}
	return date(s)
}

// date reads a date: as HTTP has it, as Go writes it with time.RFC1123, which says UTC for
// GMT, or as JavaScript turns one into a string.
func date(s string) (time.Time, bool) {
	if text, ok := strings.CutSuffix(s, " UTC"); ok {
		s = text + " GMT"
	}
	if at, err := http.ParseTime(s); err == nil {
		return at, true
	}
	text, _, _ := strings.Cut(s, " (") // the zone's name
	at, err := time.Parse("Mon Jan 02 2006 15:04:05 GMT-0700", text)
	return at, err == nil
}

// duration reads a time from now as OpenAI writes it, which is as Go does: 6m0s. What begins with
// a year is none.
func duration(s string) (d time.Duration, ok bool) {
	if s == "" || !isDigit(s[0]) || len(s) > 4 && s[4] == '-' {
		return 0, false
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d > 0 && d <= longest
}

// serverTime returns what the server's clock shows, or else now: points in time that it
// names are of its own clock. Its Date is of when it answered, which was longer ago if a
// cache has kept the answer.
func serverTime(h http.Header, now time.Time) time.Time {
	if at, err := http.ParseTime(get(h, "Date")); err == nil {
		return at.Add(age(h))
	}
	return now
}

// age returns for how long a response was kept by caches (RFC 9111, section 5.1); 0: it comes
// from the server itself.
func age(h http.Header) time.Duration {
	v, ok := decimal(get(h, "Age"))
	if !ok {
		return 0
	}
	return time.Duration(min(v, longest.Seconds()) * float64(time.Second))
}

// longestField is what is read of a structured field, in bytes. None that is sent has a
// tenth of it.
const longestField = 4 << 10

// A member is one of a list of structured fields (RFC 9651, section 3.1), or of a
// dictionary (3.2): then it has a value. Of its parameters there are those that we read.
type member struct {
	name  string
	value string
	left  string // r
	reset string // t
	quota string // q
	unit  string // qu
}

// members appends those of a list or a dictionary to all. Inner lists do not occur in the
// fields that we read. What is not well-formed is ignored as a whole, as RFC 9651, section
// 4.2, says, and so is what is longer than anybody means it: a header may have 10 MiB.
func members(all []member, s string) ([]member, bool) {
	if len(s) > longestField {
		return nil, false
	}
	p := parser{rest: strings.Trim(s, " ")}
	for {
		m, ok := p.member()
		if !ok {
			return nil, false
		}
		all = append(all, m)
		p.skip(" \t")
		if p.rest == "" {
			return all, true
		}
		if !p.take(',') {
			return nil, false
		}
		p.skip(" \t")
	}
}

// A parser reads structured fields from what is left of them. It is our own: dunglas/httpsfv
// v1.1.2 reads them well and stands the same fuzzing, but makes values of all that is in them:
// 1.6 µs and 23 allocations for RateLimit and RateLimit-Policy, which are read of every answer,
// against 0.15 µs and none here. It would also be a requirement of the module that users import,
// and ignore a field, as the RFC says, for what does not matter here, such as a partition key
// that is not quite base64.
type parser struct{ rest string }

func (p *parser) skip(chars string) { p.rest = strings.TrimLeft(p.rest, chars) }

func (p *parser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// while takes the characters that are as they should be.
func (p *parser) while(fits func(byte) bool) string {
	n := 0
	for n < len(p.rest) && fits(p.rest[n]) {
		n++
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken
}

func (p *parser) member() (m member, ok bool) {
	if m.name, ok = p.bare(); !ok {
		return m, false
	}
	if p.take('=') {
		if m.value, ok = p.bare(); !ok {
			return m, false
		}
	}
	for p.take(';') {
		p.skip(" ")
		key := p.while(inKey)
		if key == "" {
			return m, false
		}
		value := "?1"
		if p.take('=') {
			if value, ok = p.bare(); !ok {
				return m, false
			}
		}
		switch key {
		case "r":
			m.left = value
		case "t":
			m.reset = value
		case "q":
			m.quota = value
		case "qu":
			m.unit = value
		}
	}
	return m, true
}

// bare reads an item without its parameters (RFC 9651, section 3.3): a number, a
// string, a token, bytes, a boolean or a date. A string loses its quotes.
func (p *parser) bare() (string, bool) {
	if p.rest == "" {
		return "", false
	}
	switch c := p.rest[0]; {
	case c == '"':
		return p.quoted()
	case c == ':':
		end := strings.IndexByte(p.rest[1:], ':')
		if end < 0 {
			return "", false
		}
		bytes := p.rest[:end+2]
		p.rest = p.rest[end+2:]
		return bytes, true
	case c == '-', isDigit(c):
		return p.while(func(c byte) bool { return c == '-' || c == '.' || isDigit(c) }), true
	case c == '?', c == '@':
		p.rest = p.rest[1:]
		value := p.while(inKey)
		return string(c) + value, value != ""
	case c == '*', isLetter(c):
		return p.while(inToken), true
	}
	return "", false
}

func (p *parser) quoted() (string, bool) {
	if end := strings.IndexAny(p.rest[1:], "\"\\"); end >= 0 && p.rest[1+end] == '"' { // nothing in it is escaped
		text := p.rest[1 : 1+end]
		p.rest = p.rest[end+2:]
		return text, isPrintable(text)
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		c := p.rest[i]
		switch {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case c == '\\':
			i++
			if i == len(p.rest) || p.rest[i] != '"' && p.rest[i] != '\\' {
				return "", false
			}
			c = p.rest[i]
		case c < ' ' || c > '~':
			return "", false
		}
		b.WriteByte(c)
	}
	return "", false
}

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func inKey(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '-' || c == '_' || c == '.' || c == '*'
}

func inToken(c byte) bool { return inKey(c) || strings.IndexByte("!#$%&'+^`|~:/", c) >= 0 }

package pipeline

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
)

// isPlain reports whether values of this kind can be written as text.
func isPlain(k reflect.Kind) bool {
	return k >= reflect.Bool && k <= reflect.Float64 || k == reflect.String
}

// parse sets *to to what text says. If it cannot, it says what it wants.
func parse(text string, to any) (want string, ok bool) {
	switch to := to.(type) {
	case *string:
		*to = text
		return "want a string", true
	case *bool:
		b, err := strconv.ParseBool(text)
		*to = b
		return "want true or false", err == nil
	case *int:
		n, ok := whole(text)
		*to = int(n)
		return "want a whole number within 64 bits", ok && int64(*to) == n
	case *int64:
		*to, ok = whole(text)
		return "want a whole number within 64 bits", ok
	case *uint64:
		*to, ok = wholeUnsigned(text)
		return "want a whole number within 64 bits, at least 0", ok
	case *float64:
		*to, ok = finite(text)
		return "want a finite number", ok
	case *time.Duration:
		*to, ok = duration(text)
		return fmt.Sprintf("want a duration such as 200ms, or a number of seconds, within %v", longest), ok
	case *Backoff:
		for b := Fixed; b <= ExponentialJitter; b++ {
			if text == b.String() {
				*to = b
			}
		}
		return "want fixed, exponential or exponential_jitter", *to != 0
	case *Policy:
		switch text {
		case "seek":
			*to = Seek{}
		case "aimd":
			*to = AIMD{}
		case "vegas":
			*to = Vegas{}
		case "static":
			*to = Static{}
		}
		return "want seek, aimd, vegas, static or a Policy", *to != nil
	}
	if t := reflect.TypeOf(to).Elem(); t.Kind() != reflect.Struct {
		return fmt.Sprintf("want a %v", t), false
	}
	return "want a map", false
}

// whole takes 5.0 and 5e3 too, which is how some write whole numbers.
func whole(text string) (int64, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	x, ok := finite(text)
	if !ok || x != math.Trunc(x) || math.Abs(x) >= 1<<63 {
		return 0, false
	}
	return int64(x), true
}

func wholeUnsigned(text string) (uint64, bool) {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n, true
	}
	x, ok := finite(text)
	if !ok || x != math.Trunc(x) || x < 0 || x >= 1<<64 {
		return 0, false
	}
	return uint64(x), true
}

func finite(text string) (float64, bool) {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		return 0, false
	}
	return x + 0, true // -0 is 0
}

func duration(text string) (time.Duration, bool) {
	if text == "forever" {
		return Forever, true
	}
	if seconds, ok := finite(text); ok {
		return time.Duration(math.Round(seconds * 1e9)), math.Abs(seconds) <= longest.Seconds()
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

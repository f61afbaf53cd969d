package pacehttp_test

import (
	"fmt"
	"math"
	"net/http"
	"time"
)

// receding is gin-rate-limit: the quota is whole again when nothing was accepted for a window, in whole seconds.
type receding struct {
	last int64 // second of the last that was accepted
	left int
}

func (g *receding) take(now time.Time, say http.Header) int {
	const window = int64(plantWindow / time.Second)
	if g.last+window <= now.Unix() {
		g.left = plantLimit
	}
	accepted := g.left > 0
	if accepted {
		g.left--
		g.last = now.Unix()
	}
	say.Set("X-Rate-Limit-Limit", fmt.Sprint(plantLimit))
	say.Set("X-Rate-Limit-Remaining", fmt.Sprint(g.left))
	say.Set("X-Rate-Limit-Reset", fmt.Sprint(now.Unix()+window-(now.Unix()-g.last)))
	return verdict(accepted)
}

// sliding is a counter that takes part of the window before, as httprate does, or fiber, which counts refused ones too
// and says its Reset with accepted answers alone.
type sliding struct {
	fiber           bool
	began           time.Time // this window
	before, current int
}

func (s *sliding) take(now time.Time, say http.Header) int {
	if s.began.IsZero() {
		s.began = now.Truncate(plantWindow)
		if s.fiber {
			s.began = now.Truncate(time.Second)
		}
	}
	for now.Sub(s.began) >= plantWindow {
		s.before, s.current, s.began = s.current, 0, s.began.Add(plantWindow)
	}
	left := s.began.Add(plantWindow).Sub(now)
	if s.fiber {
		left = s.began.Add(plantWindow).Sub(now.Truncate(time.Second))
		s.current++
		rate := int(math.Ceil(float64(s.before)*left.Seconds()/plantWindow.Seconds())) + s.current
		if rate > plantLimit {
			say.Set("Retry-After", fmt.Sprint(int(left.Seconds())))
			return http.StatusTooManyRequests
		}
		say.Set("X-RateLimit-Limit", fmt.Sprint(plantLimit))
		say.Set("X-RateLimit-Remaining", fmt.Sprint(plantLimit-rate))
		say.Set("X-RateLimit-Reset", fmt.Sprint(int(left.Seconds())))
		return http.StatusOK
	}
	rate := int(math.Round(float64(s.before)*left.Seconds()/plantWindow.Seconds())) + s.current
	accepted := rate < plantLimit
	if accepted {
		s.current++
		rate++
	} else {
		say.Set("Retry-After", fmt.Sprint(int(plantWindow.Seconds())))
	}
	say.Set("X-RateLimit-Limit", fmt.Sprint(plantLimit))
	say.Set("X-RateLimit-Remaining", fmt.Sprint(plantLimit-rate))
	say.Set("X-RateLimit-Reset", fmt.Sprint(s.began.Add(plantWindow).Unix()))
	return verdict(accepted)
}

// constants is tollbooth: a bucket with a burst of 50, whose fields say something else.
type constants struct {
	level float64
	at    time.Time
}

func (b *constants) take(now time.Time, say http.Header) int {
	if b.at.IsZero() {
		b.level, b.at = plantLimit, now
	}
	b.level, b.at = min(b.level+10*now.Sub(b.at).Seconds(), plantLimit), now
	accepted := b.level >= 1
	if accepted {
		b.level--
	}
	say.Set("RateLimit-Limit", "10")
	say.Set("RateLimit-Remaining", fmt.Sprint(int(b.level)))
	say.Set("RateLimit-Reset", "1")
	return verdict(accepted)
}

// throttler is @nestjs/throttler: a log, and a ban of a window after a refusal. Reset is a timer of its own.
type throttler struct {
	name   string // of one of several
	limit  int
	length time.Duration

	ends   []time.Time
	resets time.Time
	banned time.Time
}

func (l *throttler) take(now time.Time, say http.Header) int {
	for len(l.ends) > 0 && !l.ends[0].After(now) {
		l.ends = l.ends[1:]
	}
	if !l.resets.After(now) {
		l.resets = now.Add(l.length)
	}
	if !l.banned.IsZero() && now.Before(l.banned) {
		say.Set("Retry-After"+l.name, fmt.Sprint(ceilSeconds(l.banned.Sub(now))))
		return http.StatusTooManyRequests
	}
	if !l.banned.IsZero() {
		l.banned, l.ends = time.Time{}, nil
	}
	l.ends = append(l.ends, now.Add(l.length))
	if len(l.ends) > l.limit {
		l.banned = now.Add(l.length)
		say.Set("Retry-After"+l.name, fmt.Sprint(ceilSeconds(l.length)))
		return http.StatusTooManyRequests
	}
	say.Set("X-RateLimit-Limit"+l.name, fmt.Sprint(l.limit))
	say.Set("X-RateLimit-Remaining"+l.name, fmt.Sprint(l.limit-len(l.ends)))
	say.Set("X-RateLimit-Reset"+l.name, fmt.Sprint(ceilSeconds(l.resets.Sub(now))))
	return http.StatusOK
}

// redisLog is hapi-rate-limitor: a log in which refused requests take places, too, of the newest 50. Reset is when the oldest
// of them is free.
type redisLog struct{ starts []time.Time }

func (l *redisLog) take(now time.Time, say http.Header) int {
	for len(l.starts) > 0 && now.Sub(l.starts[0]) >= plantWindow {
		l.starts = l.starts[1:]
	}
	left := max(plantLimit-len(l.starts), 0)
	l.starts = append(l.starts, now)
	l.starts = l.starts[max(len(l.starts)-plantLimit, 0):]
	say.Set("X-Rate-Limit-Limit", fmt.Sprint(plantLimit))
	say.Set("X-Rate-Limit-Remaining", fmt.Sprint(max(left-1, 0)))
	say.Set("X-Rate-Limit-Reset", fmt.Sprint(l.starts[0].Add(plantWindow).Unix()))
	return verdict(left > 0)
}

// two are limiters one behind the other, of which the second overwrites what the first says.
type two struct{ first, second plant }

func (t two) take(now time.Time, say http.Header) int {
	if status := t.first.take(now, say); status != http.StatusOK {
		return status
	}
	return t.second.take(now, say)
}

// delaying is express-slow-down, which never refuses.
type delaying struct{}

func (delaying) take(_ time.Time, say http.Header) int {
	say.Set("RateLimit", "limit=0, remaining=0, reset=5")
	say.Set("X-RateLimit-Limit", "0")
	say.Set("X-RateLimit-Remaining", "0")
	say.Set("Retry-After", "5")
	return http.StatusOK
}

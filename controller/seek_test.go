package controller

import (
	"container/heap"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A plant is a service, as far as a policy can tell: it answers attempts. Times are
// in seconds since the beginning and never go back.
type plant interface {
	arrive(now float64) answer
}

// An answer is what comes of an attempt.
type answer struct {
	verdict    Verdict
	took       float64
	retryAfter float64
}

// manners say how long an answer takes: a success lognormally long around latency, a
// refusal as long, or always refusal if that is set.
type manners struct {
	random  *rand.Rand
	latency float64
	sigma   float64
	refusal float64
}

func (m manners) draw() float64 {
	return m.latency * math.Exp(m.sigma*m.random.NormFloat64()-m.sigma*m.sigma/2)
}

func (m manners) succeed() answer { return answer{verdict: Succeeded, took: m.draw()} }

func (m manners) refuse(v Verdict) answer {
	if m.refusal > 0 {
		return answer{verdict: v, took: m.refusal}
	}
	return answer{verdict: v, took: m.draw()}
}

// politely has latency 100 ms, as most of the plants here do.
func politely(seed uint64) manners {
	return manners{random: rand.New(rand.NewPCG(seed, 1)), latency: 0.1, sigma: 0.2}
}

// bucketPlant limits the rate, which may change with time.
type bucketPlant struct {
	manners
	rate      func(now float64) float64
	burst     float64
	hints     bool
	pause     float64 // that it asks for otherwise
	taken, at float64
}

func constant(rate float64) func(float64) float64 { return func(float64) float64 { return rate } }

func (p *bucketPlant) arrive(now float64) answer {
	rate := p.rate(now)
	p.taken, p.at = max(p.taken-rate*(now-p.at), 0), now
	if p.taken <= p.burst-1 {
		p.taken++
		return p.succeed()
	}
	a := p.refuse(Overload)
	a.retryAfter = p.pause
	if p.hints {
		a.retryAfter = (p.taken - p.burst + 1) / rate
	}
	return a
}

// slotsPlant works on so many attempts at a time. Refused, it may ask to be left
// alone for a while, as a service does that knows only whole seconds.
type slotsPlant struct {
	manners
	most  func(now float64) float64
	pause float64
	busy  instants
}

func (p *slotsPlant) arrive(now float64) answer {
	p.busy.until(now)
	if len(p.busy) >= int(p.most(now)) {
		a := p.refuse(Overload)
		a.retryAfter = p.pause
		return a
	}
	a := p.succeed()
	heap.Push(&p.busy, now+a.took)
	return a
}

// queuePlant refuses nothing: what cannot be worked on waits.
type queuePlant struct {
	manners
	servers int
	free    instants
}

func (p *queuePlant) arrive(now float64) answer {
	start := now
	if len(p.free) == p.servers {
		start = max(now, heap.Pop(&p.free).(float64))
	}
	a := p.succeed()
	heap.Push(&p.free, start+a.took)
	a.took += start - now
	return a
}

// outagePlant does not work for a while.
type outagePlant struct {
	plant
	manners
	from, to float64
	says     Verdict
}

func (p *outagePlant) arrive(now float64) answer {
	if now >= p.from && now < p.to {
		return p.refuse(p.says)
	}
	return p.plant.arrive(now)
}

// noisePlant has no limit and fails now and then.
type noisePlant struct {
	manners
	share float64
}

func (p *noisePlant) arrive(float64) answer {
	if p.random.Float64() < p.share {
		return p.refuse(Failed)
	}
	return p.succeed()
}

// windowPlant has a quota that is whole again every minute.
type windowPlant struct {
	manners
	quota int
	phase float64 // how much of the first minute is over
	hints bool
	turn  int
	used  int
}

func (p *windowPlant) arrive(now float64) answer {
	if turn := int((now + p.phase) / 60); turn != p.turn {
		p.turn, p.used = turn, 0
	}
	if p.used < p.quota {
		p.used++
		return p.succeed()
	}
	a := p.refuse(Overload)
	if p.hints {
		a.retryAfter = float64(p.turn+1)*60 - p.phase - now
	}
	return a
}

// instants are a heap.
type instants []float64

func (h instants) Len() int           { return len(h) }
func (h instants) Less(i, j int) bool { return h[i] < h[j] }
func (h instants) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *instants) Push(x any)        { *h = append(*h, x.(float64)) }
func (h *instants) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

func (h *instants) until(now float64) {
	for len(*h) > 0 && (*h)[0] <= now {
		heap.Pop(h)
	}
}

// flight is an attempt in flight, flights a heap of them by their ends.
type flight struct {
	end float64
	Outcome
}

type flights []flight

func (h flights) Len() int { return len(h) }
func (h flights) Less(i, j int) bool {
	return h[i].end < h[j].end || h[i].end == h[j].end && h[i].Seq < h[j].Seq
}
func (h flights) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *flights) Push(x any)   { *h = append(*h, x.(flight)) }
func (h *flights) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

// A run steps a law through the answers of a plant, as a throttle with more jobs
// than it can do would: so many in flight, so far apart, and nothing before a
// refusal's hint is over.
type run struct {
	law      Law
	bounds   Bounds
	setting  Setting
	now      float64
	started  float64 // the last attempt
	paused   float64 // until then, nothing starts
	seq      int64
	inFlight flights

	fault     string // the first setting that breaks a promise
	settings  int    // that were in force
	digest    uint64 // of all of them
	attempts  int
	successes int
	tooks     []float64 // of successes
}

func startRun(p Policy, b Bounds) *run {
	r := &run{bounds: b, started: math.Inf(-1)}
	r.law, r.setting = p.Start(b)
	r.check()
	return r
}

func (r *run) check() {
	if fault := settingFault(r.bounds, r.setting); fault != "" && r.fault == "" {
		r.fault = fmt.Sprintf("after %.3fs: %s", r.now, fault)
	}
	r.settings++
	r.digest = r.digest*0x100000001b3 ^ uint64(r.setting.Limit)<<40 ^ uint64(r.setting.Interval)
}

// settingFault says which promise a setting breaks.
func settingFault(b Bounds, s Setting) string {
	switch {
	case s.Limit < 1 || s.Limit > b.MaxLimit:
		return fmt.Sprintf("limit %d, want 1 to %d", s.Limit, b.MaxLimit)
	case s.Interval < b.MinInterval || s.Interval > b.MaxInterval:
		return fmt.Sprintf("interval %v, want %v to %v", s.Interval, b.MinInterval, b.MaxInterval)
	case s.Ceiling < s.Limit || s.Ceiling > b.MaxLimit:
		return fmt.Sprintf("ceiling %d, want %d to %d", s.Ceiling, s.Limit, b.MaxLimit)
	}
	return ""
}

// against runs until a time.
func (r *run) against(p plant, until float64) {
	paced := false
	for {
		due := max(r.started+r.setting.Interval.Seconds(), r.paused)
		if len(r.inFlight) < r.setting.Limit {
			if due <= r.now {
				r.start(p.arrive(r.now), paced)
				paced = false
				continue
			}
			paced = r.started+r.setting.Interval.Seconds() >= r.paused
		} else {
			due, paced = math.Inf(1), false
		}
		end := math.Inf(1)
		if len(r.inFlight) > 0 {
			end = r.inFlight[0].end
		}
		next := min(due, end)
		if next > until {
			r.now = until
			return
		}
		r.now = next
		if end <= due {
			r.end(heap.Pop(&r.inFlight).(flight))
		}
	}
}

// rest lets what is in flight end, and starts nothing until a time.
func (r *run) rest(until float64) {
	for len(r.inFlight) > 0 && r.inFlight[0].end <= until {
		r.now = r.inFlight[0].end
		r.end(heap.Pop(&r.inFlight).(flight))
	}
	r.now = until
}

func (r *run) start(a answer, paced bool) {
	r.seq++
	r.attempts++
	r.started = r.now
	heap.Push(&r.inFlight, flight{r.now + a.took, Outcome{
		Verdict: a.verdict, Start: moment(r.now), Seq: r.seq, Took: seconds(a.took),
		InFlight: len(r.inFlight) + 1, Paced: paced, RetryAfter: seconds(a.retryAfter),
	}})
}

func (r *run) end(f flight) {
	if f.Verdict == Succeeded {
		r.successes++
		r.tooks = append(r.tooks, f.Took.Seconds())
	}
	if f.RetryAfter > 0 {
		r.paused = max(r.paused, r.now+f.RetryAfter.Seconds())
	}
	r.setting = r.law.Next(moment(r.now), f.Outcome)
	r.check()
}

func moment(s float64) time.Time { return t0.Add(seconds(s)) }

// forget begins to count anew.
func (r *run) forget() { r.attempts, r.successes, r.tooks = 0, 0, nil }

func (r *run) wasted() float64 {
	return float64(r.attempts-len(r.inFlight)-r.successes) / float64(r.attempts)
}

func p99(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)*99/100]
}

// ample are bounds that stand in nobody's way.
func ample(most int) Bounds {
	return Bounds{InitialLimit: most, MaxLimit: most, MaxInterval: 30 * time.Second}
}

// A case is a plant, and what Seek is to reach there; the figures hold with a margin
// on each of a dozen seeds.
type seekCase struct {
	name    string
	most    int // attempts in flight that are allowed
	length  float64
	oracle  float64 // successes of a client that knows the service
	goodput float64 // at least, as a share of those
	wasted  float64 // at most, as a share of attempts
	plant   func(seed uint64) plant
}

var seekCases = []seekCase{
	{"rate", 20, 400, 50 * 400, 0.98, 0.008, func(seed uint64) plant {
		return &bucketPlant{manners: politely(seed), rate: constant(50), burst: 5}
	}},
	{"rate, hints", 20, 400, 50 * 400, 0.93, 0.008, func(seed uint64) plant {
		return &bucketPlant{manners: politely(seed), rate: constant(50), burst: 5, hints: true}
	}},
	{"low rate", 20, 600, 2 * 600, 0.85, 0.02, func(seed uint64) plant {
		return &bucketPlant{manners: politely(seed), rate: constant(2), burst: 1}
	}},
	{"high rate", 200, 30, 500 * 30, 0.97, 0.02, func(seed uint64) plant {
		return &bucketPlant{manners: politely(seed), rate: constant(500), burst: 50}
	}},
	{"rate steps", 50, 400, 100 * (50 + 20 + 100 + 30), 0.80, 0.012, func(seed uint64) plant {
		return &bucketPlant{manners: politely(seed), rate: stairs(100, 50, 20, 100, 30), burst: 5}
	}},
	{"slots", 80, 150, 200 * 150, 0.93, 0.01, func(seed uint64) plant {
		return &slotsPlant{manners: politely(seed), most: constant(20)}
	}},
	{"slots steps", 80, 210, 70 * 10 * (20 + 8 + 30), 0.90, 0.01, func(seed uint64) plant {
		return &slotsPlant{manners: politely(seed), most: stairs(70, 20, 8, 30)}
	}},
	{"queue", 80, 150, 200 * 150, 0.94, 0, func(seed uint64) plant {
		return &queuePlant{manners: politely(seed), servers: 20}
	}},
	{"outage, fails", 20, 300, 50 * 240, 0.96, 0.05, func(seed uint64) plant { // probes that fail may be bad jobs, so there are many at first
		return down(seed, Failed)
	}},
	{"outage, refuses", 20, 300, 50 * 240, 0.96, 0.012, func(seed uint64) plant {
		return down(seed, Overload)
	}},
	{"noise", 50, 60, 500 * 60 * 0.95, 0.95, 0.055, func(seed uint64) plant {
		return &noisePlant{manners: politely(seed), share: 0.05}
	}},
	{"window", 20, 900, 16 * 1500, 0.98, 0.015, func(seed uint64) plant {
		return &windowPlant{manners: politely(seed), quota: 1500, phase: 20}
	}},
	{"window, hints", 20, 900, 16 * 1500, 0.93, 0.015, func(seed uint64) plant {
		return &windowPlant{manners: politely(seed), quota: 1500, phase: 20, hints: true}
	}},
}

// stairs is one level after the other, each for so long.
func stairs(each float64, levels ...float64) func(float64) float64 {
	return func(now float64) float64 { return levels[min(int(now/each), len(levels)-1)] }
}

// down is a service of 50 a second that is down for a minute.
func down(seed uint64, says Verdict) plant {
	return &outagePlant{
		plant:   &bucketPlant{manners: politely(seed), rate: constant(50), burst: 5},
		manners: politely(seed + 100), from: 100, to: 160, says: says,
	}
}

var seeds = flag.Uint64("seeds", 1, "of each plant against which Seek is tried")

// seedsOf is how many seeds a test tries that asks for n: what -seeds says if that is more, and
// fewer with the race detector.
func seedsOf(n uint64) uint64 { return max(*seeds, n/thinned, 1) }

func TestSeekFindsTheLimit(t *testing.T) {
	for _, c := range seekCases {
		t.Run(c.name, func(t *testing.T) {
			for seed := range *seeds {
				r := startRun(Seek{}, ample(c.most))
				r.against(c.plant(seed), c.length)
				goodput, wasted := float64(r.successes)/c.oracle, r.wasted()
				t.Logf("seed %d: goodput %.2f%%, wasted %.3f%%, p99 %.0f ms", seed, 100*goodput, 100*wasted, 1000*p99(r.tooks))
				if goodput < c.goodput {
					t.Errorf("seed %d: goodput %.2f%%, want at least %.0f%%", seed, 100*goodput, 100*c.goodput)
				}
				if wasted > c.wasted {
					t.Errorf("seed %d: %.2f%% wasted, want at most %.1f%%", seed, 100*wasted, 100*c.wasted)
				}
				if r.fault != "" {
					t.Errorf("seed %d: %s", seed, r.fault)
				}
			}
		})
	}
}

func TestSeekKeepsAQueueShort(t *testing.T) {
	r := startRun(Seek{}, ample(80)) // where 20 are worked on at a time
	p := &queuePlant{manners: politely(1), servers: 20}
	r.against(p, 100)
	r.forget()
	r.against(p, 200)
	if took := p99(r.tooks); took > 0.32 { // with 80 in flight it would be 0.4 for each
		t.Errorf("one in a hundred takes %.3f s, want at most twice as long as without a queue", took)
	}
	if r.successes < 188*100 {
		t.Errorf("%d a second, want the 200 that can be worked on", r.successes/100)
	}
}

// Random failures are no sign of overload.
func TestSeekDoesNotSlowDownForNoise(t *testing.T) {
	for _, share := range []float64{0.005, 0.02, 0.05} {
		r := startRun(Seek{}, ample(50))
		p := &noisePlant{manners: politely(2), share: share}
		r.against(p, 20)
		r.forget()
		r.against(p, 60)
		if got := float64(r.attempts) / 40; got < 0.96*500 {
			t.Errorf("%.1f%% fail: %.0f attempts a second, want nearly 500", 100*share, got)
		}
	}
}

// What fails may be bad jobs one after another, so it is asked often, at a seventh of its
// rate in the mean of the first minute; a ban may begin anew with each request, so what
// refuses is asked seldom.
func TestSeekAsksNowAndThenWhetherAServiceIsThereAgain(t *testing.T) {
	for _, c := range []struct {
		says        Verdict
		least, most int     // attempts while it is down
		back        float64 // at the latest after this time, in seconds
		limit       int     // of attempts in flight, after 5 s
	}{
		{Failed, 240, 450, 1, 5},
		{Overload, 7, 25, 9, 1},
	} {
		r, p := startRun(Seek{}, ample(20)), down(1, c.says)
		r.against(p, 105)
		if !r.setting.Probing || r.setting.Limit > c.limit {
			t.Errorf("%v, down for 5 s: %v, probing %v; want at most %d at a time, probing", c.says, r.setting, r.setting.Probing, c.limit)
		}
		r.forget()
		r.against(p, 159)
		if r.attempts > c.most || r.attempts < c.least {
			t.Errorf("%v, down for 54 s more: %d attempts, want %d to %d", c.says, r.attempts, c.least, c.most)
		}
		r.against(p, 160+c.back)
		if r.setting.Probing {
			t.Errorf("%v, up for %v s: still probing", c.says, c.back)
		}
		r.forget()
		r.against(p, 170+c.back)
		if r.successes < 450 {
			t.Errorf("%v, up for %v s: %d a second, want 50 again", c.says, c.back, r.successes/10)
		}
	}
}

// The setting follows from the outcomes and from nothing else.
func TestSeekDecidesTheSameAgain(t *testing.T) {
	for _, c := range seekCases {
		var digests [2]uint64
		for i := range digests {
			r := startRun(Seek{}, ample(c.most))
			r.against(c.plant(3), c.length/8)
			digests[i] = r.digest
		}
		if digests[0] != digests[1] {
			t.Errorf("%s: other settings the second time", c.name)
		}
	}
}

// An ordeal steps a law through outcomes that no service would give: any verdict in
// any order, numbers with gaps and out of order, attempts that took no time or hours,
// retries, refusals that are a job's own, and hints of hours. Each five bytes are an
// outcome. It returns the first fault.
func (r *run) ordeal(events []byte) (fault string) {
	for ; len(events) >= 5; events = events[5:] {
		what, pause, took, flying, hint := events[0], events[1], events[2], events[3], events[4]
		if what >= 0xf8 {
			r.bounds.MaxLimit = 1 + int(flying&63)
			r.bounds.InitialLimit = 1 + int(flying>>2)%r.bounds.MaxLimit
			r.bounds.MinInterval = time.Duration(what&3) * 10 * ms
			r.bounds.MaxInterval = r.bounds.MinInterval + time.Duration(1+int(hint))*100*ms
			r.setting, _ = r.law.(*seek).Update(Seek{}, r.bounds)
			r.check()
			continue
		}
		r.now += upToHalfAnHour(pause)
		o := Outcome{
			Verdict: Verdict(what & 3), Final: what&4 != 0, Paced: what&8 != 0,
			Start: moment(r.now - upToHalfAnHour(took)), Took: seconds(upToHalfAnHour(took)),
			InFlight: 1 + int(flying)%r.bounds.MaxLimit,
		}
		if took == 255 {
			o.Took = 10 * time.Hour
		}
		if what&128 != 0 { // not the first attempt of its job, and it alone is refused
			o.Attempt, o.Own = 2+int(flying&7), o.Verdict == Overload
		}
		switch seq := int64(took) * 3; what >> 4 & 3 {
		case 0, 1:
			r.seq++
			o.Seq = r.seq
		case 2:
			r.seq += seq
			o.Seq = r.seq
		case 3:
			o.Seq = max(r.seq-seq, 0)
		}
		if o.Verdict == Overload && what&64 != 0 {
			o.RetryAfter = seconds(10 * upToHalfAnHour(hint))
			r.paused = max(r.paused, r.now+o.RetryAfter.Seconds())
		}
		r.setting = r.law.Next(moment(r.now), o)
		r.check()
		if r.fault == "" {
			r.fault = r.law.(*seek).fault()
		}
		if r.fault != "" {
			return fmt.Sprintf("%+v: %s", o, r.fault)
		}
	}
	return ""
}

func upToHalfAnHour(b byte) float64 { return math.Pow(float64(b), 3) * 1e-4 }

// fault says what is wrong inside: a pace or limit is finite and within bounds after
// every step, what is known to fail may be nothing, and the rest are finite too.
func (s *seek) fault() string {
	for _, x := range []struct {
		name            string
		is, least, most float64
	}{
		{"pace that works", s.pace.works, s.slowest, unpaced},
		{"pace in force", s.pace.inForce(), s.slowest, unpaced},
		{"limit that works", s.slots.works, 1, float64(s.bounds.MaxLimit)},
		{"limit in force", s.slots.inForce(), 1, float64(s.bounds.MaxLimit)},
		{"trial of the pace", s.pace.trial, 0, unpaced},
		{"trial of the limit", s.slots.trial, 0, float64(s.bounds.MaxLimit)},
		{"pace that fails", s.pace.fails, 0, math.Inf(1)},
		{"limit that fails", s.slots.fails, 0, math.Inf(1)},
		{"growth of the pace", s.pace.growth, 0, 1},
		{"growth of the limit", s.slots.growth, 0, 1},
		{"pace before cuts", s.descent.from.rate, 0, unpaced},
		{"limit before cuts", s.descent.from.slots, 0, float64(s.bounds.MaxLimit)},
		{"pace before an outage", s.outage.pressed.rate, 0, unpaced},
		{"limit before an outage", s.outage.pressed.slots, 0, float64(s.bounds.MaxLimit)},
		{"pace before a surge", s.surge.from.rate, 0, unpaced},
		{"limit before a surge", s.surge.from.slots, 0, float64(s.bounds.MaxLimit)},
		{"pace before a brownout", s.brownout.from.rate, 0, unpaced},
		{"limit before a brownout", s.brownout.from.slots, 0, float64(s.bounds.MaxLimit)},
		{"accepted in a fall", s.brownout.given, 0, math.MaxFloat64},
		{"share refused in a brownout", s.brownout.share, 0, 1},
		{"weight of the end of a brownout", s.brownout.over, 0, 1e9},
		{"misses", float64(s.outage.misses), 0, 1e9},
		{"bank", s.price.bank, 0, 1e9},
		{"pause", s.price.pause.value, 0, 1e9},
		{"share by chance", s.chance.share(), 0, 1},
		{"share by chance of refusals", s.chance.e, 0, 1},
		{"latency", s.trip.success.value, 0, 1e9},
		{"latency of refusals", s.trip.refusal.value, 0, 1e9},
		{"share that is paced", s.constraint.paced, 0, 1},
		{"rate", s.constraint.rate(), 0, math.MaxFloat64},
		{"period", s.quota.period, 0, 1e9},
		{"gain of the startup", s.startup.gain, 0, 1e9},
		{"accepted of late", float64(s.recovery.accepted), 0, 1e9},
		{"rest of the pace", s.rests(&s.pace), -1e9, 1e9},
		{"rest of the limit", s.rests(&s.slots), -1e9, 1e9},
	} {
		if !(x.is >= x.least && x.is <= x.most) { // nor is it NaN
			return fmt.Sprintf("%s is %v, want %v to %v", x.name, x.is, x.least, x.most)
		}
	}
	if n := len(s.delivery.list); n > memory {
		return fmt.Sprintf("%d refusals are remembered", n)
	}
	return ""
}

// A pause because there is nothing to do is no reason to do less afterwards.
func TestSeekGoesOnAfterARest(t *testing.T) {
	for _, c := range []struct {
		rest  float64
		full  float64 // a second
		plant plant
	}{
		{3600, 400, &noisePlant{manners: politely(1)}},
		{10, 200, &slotsPlant{manners: politely(1), most: constant(20)}},
		{1, 50, &bucketPlant{manners: politely(1), rate: constant(50), burst: 5}},
	} {
		r := startRun(Seek{}, ample(40))
		r.against(c.plant, 60)
		for range 20 {
			r.rest(r.now + c.rest)
			r.forget()
			r.against(c.plant, r.now+5)
			if got := float64(r.successes) / 5; got < 0.93*c.full {
				t.Errorf("%T: %.1f a second after %v s of rest, want %v as before", c.plant, got, c.rest, c.full)
			}
		}
		if r.fault != "" {
			t.Errorf("%T: %s", c.plant, r.fault)
		}
	}
}

// Where there was nothing to find out, there may be later.
func TestSeekNoticesALimitWhereThereWasNone(t *testing.T) {
	m := politely(1)
	m.latency = 2e-6
	r := startRun(Seek{}, ample(20))
	r.against(&noisePlant{manners: m}, 0.004)
	if r.setting.Limit != 20 || r.setting.Interval != 0 {
		t.Fatalf("%v, want it unhindered", r.setting)
	}
	r.against(&bucketPlant{manners: politely(1), rate: constant(50), burst: 5, at: r.now}, 100)
	r.forget()
	r.against(&bucketPlant{manners: politely(1), rate: constant(50), burst: 5, at: r.now}, 160)
	if r.successes < 58*50 || r.wasted() > 0.015 {
		t.Errorf("%d a second, %.2f%% wasted; want 50 and hardly any", r.successes/60, 100*r.wasted())
	}
}

// Whatever has happened, when the service has no limit and everything succeeds, it
// gets all that it can do again: at the latest an hour after what was to be waited
// for, if attempts had taken seconds, and later if a refusal took long, since trials
// last until one would have been heard of, or asked for a long pause, since one percent
// of the time is what such pauses may cost. Most are back within minutes.
func TestSeekAlwaysRecovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(rapid.Byte(), 5, 1500).Draw(t, "events")
		longest, pause := 0.0, 0.0
		for i := 4; i < len(events); i += 5 {
			events[i-2] %= 64 // up to 26 s
			longest = max(longest, upToHalfAnHour(events[i-2]))
			events[i] %= 40 // up to 59 s
			pause = max(pause, 10*upToHalfAnHour(events[i]))
		}
		r := startRun(Seek{}, ample(rapid.IntRange(1, 40).Draw(t, "most")))
		if fault := r.ordeal(events); fault != "" {
			t.Fatal(fault)
		}
		if was := r.bounds; was.MinInterval > 0 { // an update would hold it up
			r.bounds = ample(was.MaxLimit)
			r.setting, _ = r.law.(*seek).Update(Seek{}, r.bounds)
		}
		r.now = max(r.now, r.paused)
		r.started = r.now
		begin, full := r.now, 10*float64(r.bounds.MaxLimit) // a second
		for p := (&noisePlant{manners: politely(1)}); float64(r.successes) < 0.9*10*full; {
			if r.now-begin > 3600+60*longest+300*pause {
				t.Fatalf("after %.0f s of nothing but successes: %v, %.1f a second, want %.0f", r.now-begin, r.setting, float64(r.successes)/10, full)
			}
			r.forget()
			r.against(p, r.now+10)
			if r.fault != "" {
				t.Fatal(r.fault)
			}
		}
	})
}

// TestSeekIsNotMisledByAnEarlyOutage of a service that asks for a pause of a second
// with each refusal: what it accepted between two of those says little, and what was
// refused while it was down says nothing of the limit.
func TestSeekIsNotMisledByAnEarlyOutage(t *testing.T) {
	for seed := range seedsOf(40) {
		m := manners{random: rand.New(rand.NewPCG(seed, 1)), latency: 0.025, sigma: 0.3, refusal: 0.0005}
		p := &outagePlant{
			plant:   &slotsPlant{manners: m, most: constant(16), pause: 1},
			manners: m, from: 3, to: 4, says: Overload,
		}
		r := startRun(Seek{}, Bounds{InitialLimit: 64, MaxLimit: 64, MaxInterval: 30 * time.Second})
		r.against(p, 4)
		r.forget()
		r.against(p, 24)
		if got, want := float64(r.successes), 0.4*20*16/m.latency; got < want {
			t.Errorf("seed %d: %.0f successes in 20 s, want at least %.0f", seed, got, want)
		}
	}
}

// hiccupPlant refuses three attempts in a row at one time, and fails three at another.
type hiccupPlant struct {
	manners
	refusals, failures int     // still to come
	from               float64 // of the failures
}

func (p *hiccupPlant) arrive(now float64) answer {
	switch {
	case now > 1 && p.refusals > 0:
		p.refusals--
		return p.refuse(Overload)
	case now > p.from && p.failures > 0:
		p.failures--
		return p.refuse(Failed)
	}
	return p.succeed()
}

// TestSeekDoesNotCountFailuresFromAnOldRefusal: refusals in a row are waited out for
// as long as they have lasted, but not failures that come long after them.
func TestSeekDoesNotCountFailuresFromAnOldRefusal(t *testing.T) {
	for seed := range seedsOf(10) {
		m := politely(seed)
		m.refusal = 0.001
		p := &hiccupPlant{m, 3, 3, 60}
		r := startRun(Seek{}, ample(4))
		for now := 0.0; now < 61; now += 0.001 {
			r.against(p, now)
			if r.now > 60 && r.setting.Interval > 10*time.Second {
				t.Fatalf("seed %d: after %.3f s, interval %v", seed, r.now, r.setting.Interval)
			}
		}
		if p.failures > 0 {
			t.Errorf("seed %d: %d failures did not come", seed, p.failures)
		}
	}
}

// TestSeekSpreadsWhatAPoliteBucketAllows: one that asks for a second with each refusal
// is full again long before, and a client that comes back as fast as before is refused again
// after a burst.
func TestSeekSpreadsWhatAPoliteBucketAllows(t *testing.T) {
	for _, c := range []struct{ rate, burst float64 }{{30, 6}, {100, 5}, {100, 20}, {300, 15}, {300, 60}} {
		for seed := range seedsOf(5) {
			m := manners{random: rand.New(rand.NewPCG(seed, 1)), latency: 0.02, sigma: 0.1, refusal: 0.001}
			p := &bucketPlant{manners: m, rate: constant(c.rate), burst: c.burst, pause: 1}
			r := startRun(Seek{}, ample(64))
			r.against(p, 30)
			r.forget()
			r.against(p, 120)
			if got, want := float64(r.successes), 0.7*90*c.rate; got < want || r.wasted() > 0.01 {
				t.Errorf("%v a second, burst %v, seed %d: %.0f successes in 90 s, %.1f%% wasted; want at least %.0f, at most 1%%",
					c.rate, c.burst, seed, got, 100*r.wasted(), want)
			}
		}
	}
}

// TestSeekAsksForMoreAfterAnOutage: who was down for long may have come back with
// another limit, so what failed before says little. With a pause of a second for each
// refusal it is asked step by step, each after a wait that the pause is worth.
func TestSeekAsksForMoreAfterAnOutage(t *testing.T) {
	for seed := range seedsOf(10) {
		m := politely(seed)
		rate := func(now float64) float64 {
			if now < 60 {
				return 180
			}
			return 400
		}
		p := &outagePlant{
			plant:   &bucketPlant{manners: m, rate: rate, burst: 20, pause: 1},
			manners: m, from: 60, to: 75, says: Overload,
		}
		r := startRun(Seek{}, ample(400))
		r.against(p, 200)
		r.forget()
		r.against(p, 260)
		if got, want := r.successes, 60*240; got < want { // each step up is priced by the second that a refusal costs
			t.Errorf("seed %d: %d successes in a minute, want at least %d", seed, got, want)
		}
	}
}

func TestSeekTakesAnyOutcome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBounds(t)
		events := rapid.SliceOfN(rapid.Byte(), 5, 1000).Draw(t, "events")
		p := Seek{Refusals: rapid.SampledFrom([]float64{0, 0.001, 1}).Draw(t, "refusals")}
		first, again := startRun(p, b), startRun(p, b)
		if fault := first.ordeal(events); fault != "" {
			t.Fatal(fault)
		}
		if again.ordeal(events); again.digest != first.digest {
			t.Fatal("other settings the second time")
		}
	})
}

func FuzzSeek(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3, 1, 10, 1, 0, 0x42, 1, 1, 3, 200, 3, 255, 10, 1, 0}) // a hint of hours, and back
	f.Add(slices.Repeat([]byte{3, 5, 10, 3, 0}, 60))                    // doubles
	f.Add(append(slices.Repeat([]byte{3, 5, 10, 3, 0}, 40), slices.Repeat([]byte{2, 1, 10, 7, 0}, 40)...))
	f.Add(append(slices.Repeat([]byte{1, 5, 10, 1, 0}, 20), slices.Repeat([]byte{3, 60, 1, 1, 0}, 20)...)) // an outage
	f.Add([]byte{0x32, 0, 255, 9, 0, 0xf9, 0, 0, 3, 1, 0x13, 9, 200, 77, 4})
	f.Fuzz(func(t *testing.T, events []byte) {
		r := startRun(Seek{}, ample(20))
		if fault := r.ordeal(events[:min(len(events), 5000)]); fault != "" {
			t.Fatal(fault)
		}
	})
}

// update goes on under other bounds.
func (r *run) update(t *testing.T, p Policy, b Bounds) {
	t.Helper()
	setting, ok := r.law.(*seek).Update(p, b)
	if !ok {
		t.Fatal("Seek does not go on as Seek")
	}
	r.bounds, r.setting = b, setting
	r.check()
}

func TestSeekUpdateHoldsAtOnceAndFromThenOn(t *testing.T) {
	for _, p := range []plant{
		&noisePlant{manners: politely(1)},
		&slotsPlant{manners: politely(1), most: constant(30)},
		&bucketPlant{manners: politely(1), rate: constant(50), burst: 5},
		&outagePlant{plant: &noisePlant{manners: politely(1)}, manners: politely(1), from: 10, to: 60, says: Failed},
	} {
		r := startRun(Seek{}, ample(40))
		for i, b := range []Bounds{
			{InitialLimit: 10, MaxLimit: 10, MaxInterval: time.Second},
			{InitialLimit: 1, MaxLimit: 80, MinInterval: 50 * ms, MaxInterval: 50 * ms},
			{InitialLimit: 1, MaxLimit: 1, MaxInterval: 100 * ms},
			{InitialLimit: 60, MaxLimit: 60, MinInterval: ms, MaxInterval: 30 * time.Second},
		} {
			r.against(p, 20*float64(i+1))
			r.update(t, Seek{}, b)
		}
		r.against(p, 100)
		if r.fault != "" {
			t.Errorf("%T: %s", p, r.fault)
		}
	}
}

func TestSeekUpdateGoesOnWithWhatIsKnown(t *testing.T) {
	r := startRun(Seek{}, ample(20))
	p := &bucketPlant{manners: politely(1), rate: constant(50), burst: 5}
	r.against(p, 60)
	r.update(t, Seek{Refusals: 0.01}, ample(40))
	r.forget()
	r.against(p, 70)
	if r.successes < 480 || r.wasted() > 0.02 {
		t.Errorf("%d successes in 10 s, %.1f%% wasted; want 50 a second as before", r.successes, 100*r.wasted())
	}
}

func TestSeekUpdateToMoreIsUsed(t *testing.T) {
	r := startRun(Seek{}, ample(10))
	p := &noisePlant{manners: politely(1)}
	r.against(p, 60)
	r.update(t, Seek{}, ample(40))
	r.against(p, 120)
	r.forget()
	r.against(p, 130)
	if r.successes < 3800 {
		t.Errorf("%d successes in 10 s, %v; want 400 a second", r.successes, r.setting)
	}
}

func TestSeekDoesNotGoOnAsAnotherPolicy(t *testing.T) {
	r := startRun(Seek{}, ample(10))
	if _, ok := r.law.(*seek).Update(AIMD{}, ample(10)); ok {
		t.Error("Seek goes on as AIMD")
	}
	if _, ok := r.law.(*seek).Update(Static{}, ample(10)); ok {
		t.Error("Seek goes on as Static")
	}
}

func TestSeekBeginsWithTheInitialLimit(t *testing.T) {
	for _, c := range []struct{ initial, most, first, then int }{
		{20, 20, 1, 2}, {200, 200, 1, 20}, {5, 5, 1, 1}, {1, 1, 1, 1}, {7, 20, 7, 7}, {1, 20, 1, 1},
	} {
		r := startRun(Seek{}, Bounds{InitialLimit: c.initial, MaxLimit: c.most, MaxInterval: time.Second})
		if r.setting.Limit != c.first {
			t.Errorf("initial limit %d of %d: begins with %d, want %d", c.initial, c.most, r.setting.Limit, c.first)
		}
		for seq := range int64(4) {
			s := r.law.Next(t0.Add(100*ms), Outcome{Verdict: Succeeded, Start: t0, Seq: seq + 1, Took: 100 * ms, InFlight: 1})
			if s.Limit != c.first && s.Limit != c.then {
				t.Errorf("initial limit %d of %d: then %d, want %d", c.initial, c.most, s.Limit, c.then)
			}
		}
	}
}

// Refusals is a budget: who may spend more finds out more often.
func TestSeekSpendsTheRefusalsThatItMay(t *testing.T) {
	last := 0.0
	for _, refusals := range []float64{0.001, 0.005, 0.02} {
		r := startRun(Seek{Refusals: refusals}, ample(20))
		p := &bucketPlant{manners: politely(1), rate: constant(50), burst: 5}
		r.against(p, 50)
		r.forget()
		r.against(p, 400)
		if wasted := r.wasted(); wasted <= last || wasted > 2*refusals {
			t.Errorf("%.1f%% may be refused, %.2f%% are; want more than %.2f%%", 100*refusals, 100*wasted, 100*last)
		}
		last = r.wasted()
	}
}

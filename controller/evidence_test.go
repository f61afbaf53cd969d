package controller

import (
	"math"
	"math/rand/v2"
	"testing"
)

// others has so many attempts of other jobs accepted, then refused.
func others(p *Peers, accepted, refused int) {
	for range accepted {
		p.Accept()
	}
	for range refused {
		p.Refuse(new(Evidence), 0)
	}
}

// A job that is refused each time, while a hundred others are accepted each time, is
// suspected after three refusals, and convicted after five.
func TestJobThatIsRefusedWhileOthersAreAcceptedIsConvicted(t *testing.T) {
	var p Peers
	var e Evidence
	for n := 1; n <= 8; n++ {
		others(&p, 100, 0)
		own := p.Refuse(&e, 0)
		if own != (n >= 3) || e.Suspected() != (n >= 3) || e.Convicted() != (n >= 5) {
			t.Errorf("refusal %d: own %v, suspected %v, convicted %v", n, own, e.Suspected(), e.Convicted())
		}
	}
}

// Others tell something until so many were accepted that their share is as small as is believed, and no more once the job is
// convicted.
func TestOthersTellSomethingUntilItIsDecided(t *testing.T) {
	var p Peers
	var e Evidence
	p.Refuse(&e, 0)
	for e.odds < convicted {
		others(&p, 48, 0)
		if !p.Undecided(&e) {
			t.Errorf("odds %v: decided after 48 others, want another to tell something", e.odds)
		}
		if others(&p, 1, 0); p.Undecided(&e) {
			t.Errorf("odds %v: undecided after 49 others, which are 98%%", e.odds)
		}
		p.Refuse(&e, 0)
	}
	if p.Undecided(&e) {
		t.Error("undecided of a job that is convicted")
	}
}

// Each refusal adds the logarithm of how unlikely it was, given what became of the
// others since the one before.
func TestEvidenceIsWhatBecameOfOthersSince(t *testing.T) {
	for _, test := range []struct {
		name              string
		accepted, refused int // since
		inFlight          int // at the refusal before
		want              float64
	}{
		{"nobody else was tried", 0, 0, 0, 0},
		{"all others were refused", 0, 9, 0, 0},
		{"one other was accepted", 1, 0, 0, math.Log(2)},
		{"half of the others were", 5, 4, 0, math.Log(2)},
		{"nine of ten were", 9, 0, 0, math.Log(10)},
		{"at least 2% are taken to be refused", 1e6, 0, 0, math.Log(50)},
		{"those who started before do not count", 9, 0, 9, 0},
		{"those who started later do", 18, 0, 9, math.Log(10)},
	} {
		var p Peers
		var e Evidence
		others(&p, 1000, 10) // before, says nothing
		p.Refuse(&e, test.inFlight)
		if e.odds != 0 {
			t.Errorf("%s: the first refusal adds %v", test.name, e.odds)
		}
		others(&p, test.accepted, test.refused)
		p.Refuse(&e, 0)
		if math.Abs(e.odds-test.want) > 1e-9 {
			t.Errorf("%s: adds %v, want %v", test.name, e.odds, test.want)
		}
	}
}

// The refusals of jobs that are suspected say nothing of how likely one is, so many
// that are refused for ever are found out as one is.
func TestRefusalsThatAreAJobsOwnAreNotCountedAgainstOthers(t *testing.T) {
	var p Peers
	bad := make([]Evidence, 40)
	rounds := 0
	for ; !bad[0].Convicted() && rounds < 100; rounds++ {
		others(&p, 60, 0)
		for i := range bad {
			p.Refuse(&bad[i], 0)
		}
	}
	if rounds > 11 {
		t.Errorf("convicted after %d refusals, want at most 11", rounds)
	}
}

// A refusing is a service that refuses attempts by chance.
type refusing struct {
	random  *rand.Rand
	share   float64
	slots   int // attempts in flight
	backoff int // ends of attempts until a job is tried again, about
}

// run does so many jobs with a number of attempts each, and returns how many were
// ever suspected, convicted, and lost.
func (r refusing) run(jobs, attempts int) (suspects, convicts, lost int) {
	type job struct {
		Evidence
		used int
	}
	var p Peers
	var flight []*job
	waiting := make(map[int][]*job) // by when they are due
	waits := 0
	for now := 0; jobs > 0 || waits > 0 || len(flight) > 0; now++ {
		waits -= len(waiting[now])
		flight = append(flight, waiting[now]...)
		delete(waiting, now)
		for ; len(flight) < r.slots && jobs > 0; jobs-- {
			flight = append(flight, new(job))
		}
		if len(flight) == 0 {
			continue
		}
		i, last := r.random.IntN(len(flight)), len(flight)-1
		j := flight[i]
		flight[i], flight = flight[last], flight[:last]
		if r.random.Float64() >= r.share {
			p.Accept()
			if j.Suspected() {
				suspects++
			}
			if j.Convicted() {
				convicts++
			}
			continue
		}
		p.Refuse(&j.Evidence, last)
		if j.Convicted() {
			if j.used++; j.used == attempts {
				lost++
				suspects++
				convicts++
				continue
			}
		}
		due := now + 1 + r.random.IntN(2*r.backoff)
		waiting[due] = append(waiting[due], j)
		waits++
	}
	return suspects, convicts, lost
}

// Of 100,000 jobs with three attempts none is lost by refusals by chance.
func TestRefusalsByChanceLoseNoJob(t *testing.T) {
	for _, share := range []float64{0.001, 0.01, 0.05} {
		r := refusing{rand.New(rand.NewPCG(1, 1)), share, 16, 200}
		suspects, convicts, lost := r.run(100_000, 3)
		if lost > 0 || convicts > 1 || suspects > 100 {
			t.Errorf("%v refused: %d suspected, %d convicted, %d lost", share, suspects, convicts, lost)
		}
	}
}

// Under overload, however long and however much is refused, nobody is convicted.
func TestOverloadConvictsNobody(t *testing.T) {
	for _, share := range []float64{0.2, 0.5, 0.9, 0.99} {
		for _, backoff := range []int{2, 20, 1000} {
			r := refusing{rand.New(rand.NewPCG(1, 1)), share, 16, backoff}
			suspects, convicts, _ := r.run(3000, 3)
			if convicts > 0 || suspects > 60 { // 1%, and as much again
				t.Errorf("%v refused, backoff %d: %d suspected, %d convicted", share, backoff, suspects, convicts)
			}
		}
	}
}

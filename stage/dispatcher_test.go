package stage

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
)

// refused is work that the service has no time for.
type refused struct{}

func (refused) Attempt(context.Context) error { return Overloaded(errors.New("busy"), 0) }

// A ponderer is a policy that takes its time.
type ponderer struct{ asked, decided chan struct{} }

func (p ponderer) Start(controller.Bounds) (controller.Law, controller.Setting) {
	return p, controller.Setting{Limit: 1}
}

func (p ponderer) Next(time.Time, controller.Outcome) controller.Setting {
	p.asked <- struct{}{}
	<-p.decided
	return controller.Setting{Limit: 1}
}

// TestAnswerIsSeenThatComesBesideAnotherNudge: the controller answers after the
// dispatcher has looked for an answer, and before it is through with the round
// that an earlier nudge has asked for. The answer's nudge must lead to another
// round, or the second job waits for ever, and the test with it.
func TestAnswerIsSeenThatComesBesideAnotherNudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := ponderer{make(chan struct{}), make(chan struct{})}
		d := NewDispatcher(Config{
			Clock:    clock.Real(),
			Classify: Classify,
			Controller: controller.Config{
				Policy: policy,
				Bounds: controller.Bounds{InitialLimit: 1, MaxLimit: 1, MaxInterval: time.Second},
			},
		})
		door := d.Open(t.Context(), nil)
		var b Batch
		b.Add(&Job{Work: refused{}, Ask: Ordinary})
		b.Add(&Job{Work: refused{}, Ask: Ordinary})
		door.Submit(b, 2)
		<-policy.asked // after the first job; nothing starts before the answer
		synctest.Wait()

		busy, goOn := make(chan struct{}), make(chan struct{})
		d.request(func() { close(busy); <-goOn })
		<-busy
		d.request(func() {
			policy.decided <- struct{}{}
			synctest.Wait() // until the controller has answered
			if d.reporter.answered.Load() == nil {
				t.Error("the controller has not answered")
			}
		})
		d.nudge() // an alarm, or a worker that leaves
		close(goOn)

		<-policy.asked // after the second job
		policy.decided <- struct{}{}
		door.Stop()
		door.Leave()
	})
}

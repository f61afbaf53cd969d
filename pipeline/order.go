package pipeline

// An outbox holds the jobs of a run that are done with until they are handed
// out: in the order of the jobs if it has a ring, else as they come.
type outbox[In, Out any] struct {
	ring []*job[In, Out] // by sequence, modulo its length; no run holds more jobs
	head int             // sequence of the next one out of the ring

	queue []*job[In, Out]
	first int // of the queue
}

// enlarge makes the outbox one that hands out in order, with room for n jobs.
func (o *outbox[In, Out]) enlarge(n int) {
	if n <= len(o.ring) {
		return
	}
	old := o.ring
	o.ring = make([]*job[In, Out], n)
	for _, j := range old {
		if j != nil {
			o.put(j)
		}
	}
}

func (o *outbox[In, Out]) put(j *job[In, Out]) {
	if o.ring == nil {
		o.queue = append(o.queue, j)
		return
	}
	o.ring[j.sequence%len(o.ring)] = j
}

// next returns the job to hand out next, nil if there is none yet.
func (o *outbox[In, Out]) next() *job[In, Out] {
	if o.ring != nil {
		return o.ring[o.head%len(o.ring)]
	}
	if o.first == len(o.queue) {
		return nil
	}
	return o.queue[o.first]
}

// pop removes and returns what next returned.
func (o *outbox[In, Out]) pop() *job[In, Out] {
	j := o.next()
	if o.ring != nil {
		o.ring[o.head%len(o.ring)] = nil
		o.head++
		return j
	}
	o.queue[o.first] = nil
	o.first++
	if o.first == len(o.queue) {
		o.queue, o.first = o.queue[:0], 0
	}
	return j
}

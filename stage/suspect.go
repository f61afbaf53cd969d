package stage

// Whether a job that is refused again and again is itself the reason is told by others that are accepted meanwhile. A run
// whose results are in order soon has no others: it holds no more jobs than its window, and all of them wait for the one
// that is refused. So when nothing else is left to do, and as long as that is not decided, one more job may come, and when
// that has succeeded, another. If it is refused as well, no more do: then the service is waited for.

// suspectOf notes that a job was refused, if there is none yet on which others wait.
func (o *Door) suspectOf(j *Job) {
	if o.inOrder && o.suspect == nil && j.excused {
		o.suspect, o.passed = j, true
	}
}

// clear notes that a job is done with.
func (o *Door) clear(j *Job, err error) {
	switch {
	case o.suspect == j:
		o.suspect = nil
	case err == nil:
		o.passed = true
	}
}

// wantPeers says how many more jobs may be inside beside a suspect.
func (d *Dispatcher) wantPeers(o *Door) {
	j := o.suspect
	switch {
	case j == nil:
		if o.peers.Load() > 0 {
			o.peers.Store(0)
		}
	case o.passed && d.onlyRetries() && d.peers.Undecided(&j.evidence) && int(o.peers.Load()) < d.mostRetries():
		o.passed = false
		o.peers.Add(1)
		o.inbox.wakeOwner()
	}
}

// onlyRetries reports whether all jobs wait for another attempt.
func (d *Dispatcher) onlyRetries() bool { return d.jobs == d.retries.len() }

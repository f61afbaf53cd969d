package pacejournal

import "testing"

// What is there stays as it is when it is stored again.
func TestARowIsStoredOnce(t *testing.T) {
	j := open(t)
	why := "no such number"
	store := func(rows ...row) {
		t.Helper()
		if err := j.owner.write(func(s *store) error { return s.insert(rows) }); err != nil {
			t.Fatal(err)
		}
	}
	store(row{key: "1", attempts: 1, result: []byte("1")}, row{key: "2", attempts: 2, err: &why})
	store(row{key: "1", attempts: 5, result: []byte("5")}, row{key: "2", attempts: 5, result: []byte("5")}, row{key: "1", attempts: 5})
	want := []Entry[int]{{Key: "1", Out: 1, Attempts: 1}, {Key: "2", Attempts: 2, Err: &FailedError{why}}}
	i := 0
	for e, err := range j.All() {
		if w := want[i]; err != nil || e.Key != w.Key || e.Out != w.Out || e.Attempts != w.Attempts || (e.Err == nil) != (w.Err == nil) {
			t.Errorf("got %+v and %v, want %+v", e, err, w)
		}
		i++
	}
	if i != len(want) {
		t.Errorf("got %d rows, want %d", i, len(want))
	}
}

func TestSyncIsSQLitesFull(t *testing.T) {
	for sync, want := range map[bool]int{false: 1, true: 2} {
		j := openAt(t, t.TempDir()+"/journal.db", Options{Sync: sync})
		var got int
		if err := j.owner.read(func(s *store) error {
			return s.conn.QueryRowContext(background, "PRAGMA synchronous").Scan(&got)
		}); err != nil || got != want {
			t.Errorf("sync %v: got synchronous = %d and %v, want %d", sync, got, err, want)
		}
	}
}

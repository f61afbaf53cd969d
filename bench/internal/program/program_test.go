package program

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/paceline-go/paceline/bench/port"
)

func TestAProgramThatEndsAtOnceIsSaid(t *testing.T) {
	address, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), exec.Command("sh", "-c", "echo no such option >&2; exit 1"), Listens(address))
	if err == nil || !strings.Contains(err.Error(), "sh: ended at once: no such option") {
		t.Errorf("got %v, want what the program said", err)
	}
}

func TestFindLooksInTheFoldersAlone(t *testing.T) {
	if got := Find("sh", []string{t.TempDir()}); got != "" {
		t.Errorf("got %s from a folder without it", got)
	}
	if got := Find("sh", Dirs()); got == "" {
		t.Error("no shell in the path")
	}
}

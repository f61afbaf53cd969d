package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFileThatCannotBeIsSaidWithItsFlag(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		there:                              "",
		filepath.Join(dir, "new"):          "",
		dir:                                "which is no regular file",
		filepath.Join(dir, "none", "file"): "want a file in a folder that is there",
	} {
		err := CheckFile("-db", path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), "-db: got "+path) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

func TestAnAddressThatIsNoneIsSaidWithItsFlag(t *testing.T) {
	for _, good := range []string{"", "http://localhost:8080", "https://api.openai.com/v1", "http://[::1]:80/"} {
		if err := CheckURL("-url", good); err != nil {
			t.Errorf("%q: got %v, want no error", good, err)
		}
	}
	for _, bad := range []string{"foo", "localhost:8080", "127.0.0.1:8080", "ftp://localhost", "http://", "http:localhost", "http://a b"} {
		want := `-url: got "` + bad + `", want an address such as http://localhost:8080`
		if err := CheckURL("-url", bad); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", bad, err, want)
		}
	}
}

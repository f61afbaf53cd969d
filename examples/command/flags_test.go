package command

import "testing"

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

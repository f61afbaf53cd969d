package command

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
)

// CheckURL returns an error that names the flag if its value is not the address of an HTTP
// service, of which a path may be part. Nothing is fine: the service is embedded then.
func CheckURL(flag, value string) error {
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%s: got %q, want an address such as http://localhost:8080", flag, value)
	}
	return nil
}

// CheckFile returns an error that names the flag if no file can be at path: something else is
// there, or there is no such folder.
func CheckFile(flag, path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s: got %s, which is no regular file, want a file, or a name that is free", flag, path)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("%s: got %s, want a file in a folder that is there: %w", flag, path, err)
	}
	return nil
}

// Listen listens at the address that a flag has. Its error says how to get a port that is
// free.
func Listen(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: got %q: %w; %s localhost:0 takes a port that is free", flag, address, err, flag)
	}
	return l, nil
}

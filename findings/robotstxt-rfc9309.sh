#!/usr/bin/env bash
# github.com/temoto/robotstxt v1.1.2 (Go module).
#
# Three rules of RFC 9309 that it does not follow, so that a crawler gets what it must not, or nothing:
#   - A path that is not ASCII is not found in a URL, where it is percent-encoded (section 2.2.2 gives this example).
#   - Of a Disallow and an Allow that are equally long, the first counts (section 2.2.2: the Allow should).
#   - One line that it cannot parse, such as "Crawl-delay: 5s", is an error of the whole file (section 2.3.1.5: rules
#     that can be parsed must be used).
#
# Seen:
#   Disallow: /ツ, asked for /%E3%83%84: allowed true
#   Disallow: /x, then Allow: /x: allowed false
#   Crawl-delay: 5s: "Parse error(s): \nstrconv.ParseFloat: parsing \"5s\": invalid syntax\n"
#
# Needs Go. Ends with 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export GOFLAGS=-mod=mod

cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/temoto/robotstxt"
)

func allowed(rules, path string) bool {
	data, err := robotstxt.FromString("User-agent: *\n" + rules)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return data.TestAgent(path, "crawler")
}

func main() {
	encoded := allowed("Disallow: /ツ\n", "/%E3%83%84")
	equal := allowed("Disallow: /x\nAllow: /x\n", "/x")
	_, err := robotstxt.FromString("User-agent: *\nCrawl-delay: 5s\nDisallow: /x\n")
	fmt.Printf("Disallow: /ツ, asked for /%%E3%%83%%84: allowed %v\n", encoded)
	fmt.Printf("Disallow: /x, then Allow: /x: allowed %v\n", equal)
	if err == nil {
		fmt.Println("Crawl-delay: 5s: no error")
		os.Exit(1)
	}
	fmt.Printf("Crawl-delay: 5s: %q\n", err.Error())
	if !encoded || equal || !strings.Contains(err.Error(), `parsing "5s"`) {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get github.com/temoto/robotstxt@v1.1.2 2>/dev/null
go run .

// Command pictures takes pictures of a page that is up, with Chromium. Those in the
// directory pictures show examples/dashboard after ten minutes:
//
//	go run ./examples/dashboard
//	go run ./pipeline/pacepage/internal/pictures http://localhost:8090/ pipeline/pacepage/pictures
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A picture is a part of the page as somebody sees it.
type picture struct {
	name          string
	place         string // behind the page's address
	width, height int64
	scale         float64
	scheme        string
}

var pictures = []picture{
	{"throttle.png", "#throttle=europe", 1280, 1010, 1, "light"},
	{"throttle-dark.png", "#throttle=america", 1280, 1010, 1, "dark"},
	{"all.png", "#", 1280, 640, 1, "light"},
	{"all-dark.png", "#", 1280, 640, 1, "dark"},
	{"phone.png", "#throttle=america", 360, 780, 2, "light"},
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("pictures: want the page's address and a directory")
	}
	if err := take(os.Args[1], os.Args[2]); err != nil {
		log.Fatal("pictures: ", err)
	}
}

func take(url, dir string) error {
	ctx, cancel := chromedp.NewExecAllocator(context.Background(),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, p := range pictures {
		png, err := p.take(ctx, url)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, p.name), png, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (p picture) take(ctx context.Context, url string) ([]byte, error) {
	err := chromedp.Do(ctx,
		chromedp.EmulateViewport(p.width, p.height, chromedp.EmulateScale(p.scale)),
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: p.scheme}},
			})
			return err
		}),
		chromedp.Navigate("about:blank"), // or a change behind the # would not load anew
		chromedp.Navigate(url+p.place),
		chromedp.WaitVisible(chromedp.CSS(".live .u-over")),
		chromedp.Sleep(2*time.Second), // of live numbers
	)
	if err != nil {
		return nil, err
	}
	return chromedp.Run(ctx, chromedp.CaptureScreenshot())
}

package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	ginrate "github.com/JGLTechnologies/gin-rate-limit"
	"github.com/didip/tollbooth/v7"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/httprate"
	"github.com/gofiber/fiber/v3"
	fiberlimiter "github.com/gofiber/fiber/v3/middleware/limiter"
	echo4 "github.com/labstack/echo/v4"
	echo4middleware "github.com/labstack/echo/v4/middleware"
	"github.com/labstack/echo/v5"
	echomiddleware "github.com/labstack/echo/v5/middleware"
	"github.com/sethvargo/go-limiter/httplimit"
	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	throttledstore "github.com/throttled/throttled/v2/store/memstore"
	ulu "github.com/ulule/limiter/v3"
	uluhttp "github.com/ulule/limiter/v3/drivers/middleware/stdlib"
	ulustore "github.com/ulule/limiter/v3/drivers/store/memory"
	"golang.org/x/time/rate"
)

// goLimiters are modules, and run in this process.
var goLimiters = []limiter{
	{name: "throttled", about: "throttled 2.15.0, GCRA with a burst of a window", start: inProcess(throttledHandler)},
	{name: "tollbooth", about: "tollbooth 7.0.2, a bucket with a burst of a window", start: inProcess(tollboothHandler)},
	{name: "ulule", about: "ulule/limiter 3.11.2", start: inProcess(uluHandler)},
	{name: "httprate", about: "httprate 0.16.1, a sliding counter", start: inProcess(httprateHandler), best: evenly},
	{name: "go-limiter", about: "sethvargo/go-limiter 0.7.1", start: inProcess(goLimiterHandler)},
	{name: "echo-5", about: "echo 5.4.5, a bucket with a burst of a window", start: inProcess(echoHandler)},
	{name: "echo-4", about: "echo 4.16.4, the same without any field", start: inProcess(echo4Handler)},
	{name: "gin-rate-limit", about: "gin-rate-limit 1.5.4", start: inProcess(ginHandler)},
	{name: "fiber", about: "fiber 3.1.0, a fixed window", start: withFiber(fiberlimiter.FixedWindow{})},
	{name: "fiber-sliding", about: "fiber 3.1.0, a sliding counter", start: withFiber(fiberlimiter.SlidingWindow{}), best: bySeconds},
	{name: "kubernetes", about: "a model of the Kubernetes API server's limit of requests in flight: 4, work of 100 ms; Retry-After is always 1",
		work: shortWork, room: 4, best: fourAtOnce, start: kubernetes},
}

// ok is the service behind each limiter.
var ok = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "ok") // an error means that the client has gone
})

// kubernetes does as k8s.io/apiserver v0.37.2 does in pkg/server/filters, maxinflight.go: a place, if one is free,
// else 429 with a second, however soon there will be one. The server itself is no Go module that could
// be run here.
func kubernetes(_ context.Context, _ *house, o order) (*site, error) {
	places := make(chan struct{}, 4)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			time.Sleep(o.work)
			ok(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "Too many requests, please try again later.", http.StatusTooManyRequests)
		}
	}))
	return &site{url: server.URL + "/", stop: server.Close}, nil
}

func inProcess(handler func(window time.Duration) (http.Handler, error)) starter {
	return func(_ context.Context, _ *house, o order) (*site, error) {
		h, err := handler(o.window)
		if err != nil {
			return nil, err
		}
		server := httptest.NewServer(h)
		return &site{url: server.URL + "/", stop: server.Close}, nil
	}
}

func throttledHandler(window time.Duration) (http.Handler, error) {
	store, err := throttledstore.NewCtx(1)
	if err != nil {
		return nil, err
	}
	quota := throttled.RateQuota{MaxRate: throttled.PerDuration(perWindow, window), MaxBurst: perWindow - 1}
	limiter, err := throttled.NewGCRARateLimiterCtx(store, quota)
	if err != nil {
		return nil, err
	}
	middleware := throttled.HTTPRateLimiterCtx{RateLimiter: limiter, VaryBy: &throttled.VaryBy{Path: true}}
	return middleware.RateLimit(ok), nil
}

func tollboothHandler(window time.Duration) (http.Handler, error) {
	limiter := tollbooth.NewLimiter(perWindow/window.Seconds(), nil).SetBurst(perWindow)
	return tollbooth.LimitHandler(limiter, ok), nil
}

func uluHandler(window time.Duration) (http.Handler, error) {
	l := ulu.New(ulustore.NewStore(), ulu.Rate{Period: window, Limit: perWindow})
	return uluhttp.NewMiddleware(l).Handler(ok), nil
}

func httprateHandler(window time.Duration) (http.Handler, error) {
	return httprate.LimitBy(perWindow, window, httprate.Key("all"))(ok), nil
}

func goLimiterHandler(window time.Duration) (http.Handler, error) {
	store, err := memorystore.New(&memorystore.Config{Tokens: perWindow, Interval: window})
	if err != nil {
		return nil, err
	}
	middleware, err := httplimit.NewMiddleware(store, httplimit.IPKeyFunc())
	if err != nil {
		return nil, err
	}
	return middleware.Handle(ok), nil
}

func echoHandler(window time.Duration) (http.Handler, error) {
	e := echo.New()
	e.Use(echomiddleware.RateLimiter(echomiddleware.NewRateLimiterMemoryStoreWithConfig(
		echomiddleware.RateLimiterMemoryStoreConfig{Rate: perWindow / window.Seconds(), Burst: perWindow})))
	e.GET("/", echo.WrapHandler(ok))
	return e, nil
}

func echo4Handler(window time.Duration) (http.Handler, error) {
	e := echo4.New()
	e.Use(echo4middleware.RateLimiter(echo4middleware.NewRateLimiterMemoryStoreWithConfig(
		echo4middleware.RateLimiterMemoryStoreConfig{Rate: rate.Limit(perWindow / window.Seconds()), Burst: perWindow})))
	e.GET("/", echo4.WrapHandler(ok))
	return e, nil
}

func ginHandler(window time.Duration) (http.Handler, error) {
	gin.SetMode(gin.ReleaseMode)
	store := ginrate.InMemoryStore(&ginrate.InMemoryOptions{Rate: window, Limit: perWindow})
	engine := gin.New()
	engine.Use(ginrate.RateLimiter(store, &ginrate.Options{KeyFunc: func(c *gin.Context) string { return c.ClientIP() }}))
	engine.GET("/", gin.WrapH(ok))
	return engine, nil
}

// withFiber runs fiber, which is no net/http handler.
func withFiber(kind fiberlimiter.Handler) starter {
	return func(_ context.Context, _ *house, o order) (*site, error) {
		app := fiber.New()
		app.Use(fiberlimiter.New(fiberlimiter.Config{Max: perWindow, Expiration: o.window, LimiterMiddleware: kind}))
		app.Get("/", func(c fiber.Ctx) error { return c.SendString("ok") })
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		go func() {
			if err := app.Listener(l, fiber.ListenConfig{DisableStartupMessage: true}); err != nil {
				panic(err) // the listener broke, and no figure would be right
			}
		}()
		return &site{url: "http://" + l.Addr().String() + "/", stop: func() { _ = app.Shutdown() }}, nil
	}
}

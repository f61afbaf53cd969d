package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacegrpc"
)

// dial returns a connection whose calls go through a throttle. This is all that a
// client needs.
func (o options) dial(target string, throttle *pipeline.Throttle) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if o.tls {
		options = []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(new(tls.Config)))}
	}
	if !o.without {
		options = append(options, grpc.WithUnaryInterceptor(pacegrpc.Unary(throttle, repeatable)))
	}
	return grpc.NewClient(target, options...)
}

// repeatable says that every method may be called again: there is only Check.
func repeatable(string) bool { return true }

// check asks for the health of all services. When interrupted, it asks for no more
// and waits for the answers to come.
func (o options) check(interrupt context.Context, out io.Writer) (sum *summary, err error) {
	sum = newSummary(o.without)
	target := o.target
	if target == "" {
		if sum.server, err = startServer(o.rate); err != nil {
			return nil, err
		}
		defer sum.server.close()
		target = sum.server.address
	}
	cfg := pipeline.Config{MaxConcurrency: o.concurrency, Retry: &pipeline.Retry{BaseDelay: 50 * time.Millisecond}, OnEvent: complain(out), Logger: slog.New(slog.DiscardHandler)}
	if sum.throttle, err = pipeline.NewThrottle(cfg); err != nil {
		return nil, err
	}
	conn, err := o.dial(target, sum.throttle)
	if err != nil {
		return nil, err
	}
	defer conn.Close()

	fmt.Fprintf(out, "asking %s for the health of %d services, from %d goroutines\n", target, len(services()), o.concurrency)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(interrupt, func() {
		fmt.Fprintln(out, "\nstopping: no further service is asked for; Ctrl-C again ends at once")
		time.AfterFunc(o.grace, cancel)
	})()
	began := time.Now()
	sum.call(ctx, pb.NewHealthClient(conn), feed(interrupt), o.concurrency, newBar(out, len(services())))
	sum.took = time.Since(began)
	return sum, nil
}

// call asks for services from so many goroutines. There is nothing here that knows
// of limits.
func (s *summary) call(ctx context.Context, client pb.HealthClient, names <-chan string, goroutines int, bar *progressbar.ProgressBar) {
	var callers sync.WaitGroup
	for range goroutines {
		callers.Go(func() {
			for name := range names {
				res, err := client.Check(ctx, &pb.HealthCheckRequest{Service: name})
				s.add(res.GetStatus(), err)
				_ = bar.Add(1)
			}
		})
	}
	callers.Wait()
	_ = bar.Exit()
}

// complain says once why nothing goes on, if the server does not answer.
func complain(out io.Writer) func(pipeline.Event) {
	var once sync.Once
	return func(e pipeline.Event) {
		switch {
		case e.Kind == pipeline.EventRetry && status.Code(e.Err) == codes.Unavailable:
			once.Do(func() { fmt.Fprintln(out, "the server does not answer, and is asked again now and then:", e.Err) })
		case e.Kind == pipeline.EventNothingSucceeded:
			once.Do(func() { fmt.Fprintln(out, "nothing has succeeded yet, the last call with:", e.Err) })
		}
	}
}

// feed sends the names of all services, until it is interrupted.
func feed(interrupt context.Context) <-chan string {
	names := make(chan string)
	go func() {
		defer close(names)
		for _, name := range services() {
			select {
			case names <- name:
			case <-interrupt.Done():
				return
			}
		}
	}()
	return names
}

// services are the names of 25 services in 40 places.
func services() (names []string) {
	for place := range places() {
		for _, api := range apis {
			names = append(names, place+"/"+api)
		}
	}
	return names
}

func places() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, region := range []string{"europe-north", "europe-west", "europe-central", "us-east", "us-central", "us-west", "asia-east", "asia-south", "africa-south", "australia-southeast"} {
			for n := range 4 {
				if !yield(fmt.Sprintf("%s%d", region, n+1)) {
					return
				}
			}
		}
	}
}

var apis = []string{
	"google.bigtable.v2.Bigtable", "google.cloud.kms.v1.KeyManagementService", "google.cloud.language.v2.LanguageService",
	"google.cloud.scheduler.v1.CloudScheduler", "google.cloud.secretmanager.v1.SecretManagerService", "google.cloud.speech.v2.Speech",
	"google.cloud.tasks.v2.CloudTasks", "google.cloud.texttospeech.v1.TextToSpeech", "google.cloud.translation.v3.TranslationService",
	"google.cloud.vision.v1.ImageAnnotator", "google.container.v1.ClusterManager", "google.datastore.v1.Datastore",
	"google.devtools.cloudbuild.v1.CloudBuild", "google.firestore.v1.Firestore", "google.iam.v1.IAMPolicy",
	"google.logging.v2.LoggingServiceV2", "google.longrunning.Operations", "google.monitoring.v3.MetricService",
	"google.pubsub.v1.Publisher", "google.pubsub.v1.Subscriber", "google.spanner.v1.Spanner", "google.storage.v2.Storage",
	"opentelemetry.proto.collector.metrics.v1.MetricsService", "opentelemetry.proto.collector.trace.v1.TraceService", "etcdserverpb.KV",
}

// newBar returns one that shows itself on a terminal only.
func newBar(out io.Writer, total int) *progressbar.ProgressBar {
	file, ok := out.(*os.File)
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetVisibility(ok && term.IsTerminal(int(file.Fd()))),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("calls"),
	)
}

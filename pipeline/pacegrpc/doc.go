// Package pacegrpc passes the calls of a gRPC client through a throttle, and those that
// come to a server (see Server). It is a module of its own.
//
//	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 64, Retry: &pipeline.Retry{}})
//	…
//	conn, err := grpc.NewClient(target,
//		grpc.WithUnaryInterceptor(pacegrpc.Unary(throttle, nil)),
//		grpc.WithStreamInterceptor(pacegrpc.Stream(throttle)),
//		…)
//
// The client is used as before. Every call of conn waits for its turn, is tried
// again where that is safe, and what the server says of its limits holds for all of
// them. Work in a pipeline, which has a throttle around it already, calls Mark
// instead.
//
// How a status is taken, after gRPC's guide to status codes and AIP-194:
//
//	code                            what happens                                       does it slow the run down?
//	RESOURCE_EXHAUSTED              a refusal: tried again, at no attempt's cost       yes
//	  a message above the limit     the caller's error, at once                        no
//	UNAVAILABLE with a delay        the same, if the method is idempotent              yes
//	UNAVAILABLE, INTERNAL, UNKNOWN  tried again, if the method is idempotent           if many do
//	DEADLINE_EXCEEDED               likewise, but not after the caller's own deadline  yes, after an AttemptTimeout
//	DATA_LOSS                       the caller's error                                 if many do
//	CANCELLED, ABORTED, all others  the caller's error                                 no
//
// The delay is that of google.rpc.RetryInfo among the status's details, or of the
// trailer grpc-retry-pushback-ms (gRFC A6), the longer of both; nothing of the
// throttle starts before it is over. A pushback below 0, or one that is not a
// number, says that the call must not be tried again. ABORTED asks for more than
// the call to be tried again, such as the whole transaction: work that does the
// whole of it marks that as pipeline.Transient by itself.
//
// A throttle without a Retry tries nothing again. Retries of gRPC's own, by a service
// config with a retryPolicy, would be hidden from the throttle, and do not wait for
// a RetryInfo (grpc v1.85.0): turn them off with grpc.WithDisableRetry.
package pacegrpc

package stage

import "context"

type endlessKey struct{}

// WithEndless returns a context for a run whose channel of jobs is not a program's own: that of a
// queue, or of a journal. Nobody has forgotten to close it, however long nothing comes.
func WithEndless(ctx context.Context) context.Context {
	return context.WithValue(ctx, endlessKey{}, true)
}

// Endless reports whether ctx is from WithEndless.
func Endless(ctx context.Context) bool { return ctx.Value(endlessKey{}) != nil }

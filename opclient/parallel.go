package opclient

import (
	"context"
	"iter"

	"golang.org/x/sync/errgroup"
)

// inParallel answers what do makes of each input, in the order in which it gets
// ready, at most n at a time. When starting is done, or the caller stops early,
// no more are begun; those that were are awaited, and answered unless the caller
// stopped.
func inParallel[T, R any](starting context.Context, n int, inputs []T, do func(T) R) iter.Seq[R] {
	return func(yield func(R) bool) {
		starting, stop := context.WithCancel(starting)
		defer stop()
		results := make(chan R)
		go func() {
			defer close(results)
			var group errgroup.Group
			group.SetLimit(n)
			for _, input := range inputs {
				group.Go(func() error {
					if starting.Err() == nil {
						results <- do(input)
					}
					return nil
				})
			}
			_ = group.Wait() // none fails
		}()
		listening := true
		for result := range results {
			if listening && !yield(result) {
				listening = false
				stop()
			}
		}
	}
}

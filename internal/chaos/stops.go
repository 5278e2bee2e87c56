package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// A worker looks for stops every stopLook, and has heard of one stopReach after
// it was taken unless it could not reach the server meanwhile.
const (
	stopLook  = 300 * time.Millisecond
	stopReach = 2 * time.Second
)

// stopService stops operations of a type for a while, beyond stopReach.
func (s *site) stopService(ctx context.Context, of protocol.TypeRef, length time.Duration) error {
	c := opclient.New(s.temporal, opclient.Options{RetryFor: time.Minute})
	defer func() { // even where the run is given up: what follows would hang
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		s.problem(c.StartService(bounded, of, "by chaos"))
	}()
	if err := c.StopService(ctx, of, "by chaos"); err != nil {
		return err
	}
	if _, err := c.AwaitService(ctx, time.Minute); err != nil {
		return fmt.Errorf("await the stop: %w", err)
	}
	stopped := typeStop{of, span{from: time.Now()}}
	pause(ctx, stopReach+length)
	stopped.to = time.Now()
	s.mu.Lock()
	s.serviceStops = append(s.serviceStops, stopped)
	s.mu.Unlock()
	return nil
}

// followStops has the gate follow what is stopped until ctx is done. It returns
// when that is known for the first time.
func followStops(ctx context.Context, c *opclient.Client, gate *activities.Gate) {
	look := func() error {
		stops, err := c.Stops(ctx)
		if err == nil {
			gate.Set(stops)
		}
		return err
	}
	for look() != nil && pause(ctx, stopLook) {
	}
	go func() {
		for pause(ctx, stopLook) {
			_ = look() // what cannot be read stays as it was
		}
	}()
}

// checkStopped finds attempts that began while their type was stopped, in a worker that had every chance to know it (I6).
func (c *checker) checkStopped() {
	for _, a := range c.attempts {
		for _, stop := range c.serviceStops {
			if c.typeOf[a.id] == stop.of && a.start.After(stop.from.Add(stopReach)) && a.start.Before(stop.to) && !c.wasCutOff(a) {
				c.add(6, "%s began %s after its type was stopped", a.id, a.start.Sub(stop.from))
			}
		}
	}
}

// wasCutOff says that the attempt's process did not reach the server in the time
// before it, or was stopped itself.
func (c *checker) wasCutOff(a attempt) bool {
	before := func(s span) bool { return s.from.Before(a.start) && s.to.After(a.start.Add(-stopReach)) }
	return slices.ContainsFunc(c.broken, before) || slices.ContainsFunc(c.lives[a.process].stops, before)
}

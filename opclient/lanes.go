package opclient

import "github.com/seriatim-go/seriatim/protocol"

// Bounds on what SubmitMany holds in memory: operations that wait for their
// signal or are in flight, and their encoded bytes.
const (
	windowOperations = 20_000
	windowBytes      = 32 << 20
)

// lanes holds the operations that wait to be sent: one lane for each token, in
// order, and one for all that have none. It decides what the next signal
// carries; it sends nothing and knows no time. Every step takes constant time
// in the number of tokens.
type lanes struct {
	byToken map[string]*lane
	// order lists the lanes that wait, the longest waiting first; full those
	// whose next signal cannot grow any more. Either may name a lane that has
	// been served since, which is passed over.
	order, full []*lane
	free        []entry
	// waiting counts operations that wait, operations and bytes those that wait
	// or are in flight.
	waiting, operations, bytes int
}

// lane is one token's operations.
type lane struct {
	token    string
	entries  []entry
	inFlight bool
	// inOrder and inFull say that the lists name it.
	inOrder, inFull bool
	// front is how many entries the next signal carries, frontBytes their size;
	// closed says that nothing more fits.
	front, frontBytes int
	closed            bool
}

// add takes an operation behind the others of its token.
func (l *lanes) add(e entry) {
	l.waiting++
	l.operations++
	l.bytes += len(e.encoded)
	token := e.operation.DependencyToken
	if isFree(e.operation) {
		l.free = append(l.free, e)
		return
	}
	at, ok := l.byToken[token]
	if !ok {
		at = &lane{token: token}
		if l.byToken == nil {
			l.byToken = make(map[string]*lane)
		}
		l.byToken[token] = at
	}
	at.entries = append(at.entries, e)
	at.grow()
	l.enlist(at)
}

// enlist names a lane that waits in the lists.
func (l *lanes) enlist(at *lane) {
	if at.inFlight || len(at.entries) == 0 {
		return
	}
	if !at.inOrder {
		at.inOrder = true
		l.order = append(l.order, at)
	}
	if at.closed && !at.inFull {
		at.inFull = true
		l.full = append(l.full, at)
	}
}

// room says whether another operation fits.
func (l *lanes) room() bool {
	return l.operations < windowOperations && l.bytes < windowBytes
}

// next takes what the next signal carries: operations of one token that has
// nothing in flight, in order, within a signal's limits; or one without a
// token. With flush it takes any, else only what cannot grow any more.
func (l *lanes) next(flush bool) (batch []entry, ok bool) {
	if len(l.free) > 0 {
		batch, l.free = l.free[:1:1], l.free[1:]
		l.waiting--
		return batch, true
	}
	for !flush && len(l.full) > 0 {
		at := l.full[0]
		l.full, at.inFull = l.full[1:], false
		if !at.inFlight && at.closed {
			return l.take(at), true
		}
	}
	for flush && len(l.order) > 0 {
		at := l.order[0]
		l.order, at.inOrder = l.order[1:], false
		if !at.inFlight && len(at.entries) > 0 {
			return l.take(at), true
		}
	}
	return nil, false
}

func (l *lanes) take(at *lane) []entry {
	n := at.front
	batch := at.entries[:n:n]
	at.entries, at.inFlight = at.entries[n:], true
	l.waiting -= n
	at.front, at.frontBytes, at.closed = 0, 0, false
	at.grow()
	return batch
}

// grow adds to the lane's next signal what fits.
func (at *lane) grow() {
	for !at.closed && at.front < len(at.entries) {
		bytes := len(at.entries[at.front].encoded) + len(",")
		if at.front > 0 && at.frontBytes+bytes > protocol.MaxBatchBytes-len("[]") {
			at.closed = true
			return
		}
		at.front++
		at.frontBytes += bytes
		at.closed = at.front == protocol.MaxBatchOperations || at.frontBytes >= protocol.MaxBatchBytes-len("[]")
	}
}

// settle notes that the answer to a batch is there.
func (l *lanes) settle(batch []entry) {
	l.forget(batch)
	if isFree(batch[0].operation) {
		return
	}
	if at, ok := l.byToken[batch[0].operation.DependencyToken]; ok {
		at.inFlight = false
		l.enlist(at)
		l.tidy(at)
	}
}

// drop takes out all that waits on the token.
func (l *lanes) drop(token string) []entry {
	at, ok := l.byToken[token]
	if !ok {
		return nil
	}
	dropped := at.entries
	at.entries = nil
	at.front, at.frontBytes, at.closed = 0, 0, false
	l.waiting -= len(dropped)
	l.forget(dropped)
	l.tidy(at)
	return dropped
}

// dropAll takes out all that waits, token by token.
func (l *lanes) dropAll() []entry {
	dropped := l.free
	l.free = nil
	l.waiting -= len(dropped)
	l.forget(dropped)
	for _, at := range l.order {
		dropped = append(dropped, l.drop(at.token)...)
	}
	for token := range l.byToken { // those with a signal in flight
		dropped = append(dropped, l.drop(token)...)
	}
	return dropped
}

func (l *lanes) forget(entries []entry) {
	l.operations -= len(entries)
	for _, e := range entries {
		l.bytes -= len(e.encoded)
	}
}

// tidy forgets a lane that holds nothing.
func (l *lanes) tidy(at *lane) {
	if !at.inFlight && len(at.entries) == 0 {
		delete(l.byToken, at.token)
	}
}

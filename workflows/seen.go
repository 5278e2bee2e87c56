package workflows

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
)

// seenCapacity is how many accepted ids a serializer remembers. Beyond it, an
// operation's own execution is the protection against a repeat, as long as the
// namespace retains it.
const seenCapacity = 1000

// seenBytes is one remembered operation: 8 bytes of the id's hash, 8 of the
// content's.
const seenBytes = 16

// Seen remembers the last ids that were accepted and what they stood for.
type Seen struct {
	// Ring holds the entries; the oldest begins at Next once it is full.
	Ring []byte `json:"ring,omitempty"`
	Next int    `json:"next,omitempty"`
}

// Add remembers an accepted id and the ContentHash of what it stood for.
func (s *Seen) Add(id, hash string) {
	entry := append(idHash(id), shortHash(hash)...)
	if len(s.Ring) < seenCapacity*seenBytes {
		s.Ring = append(s.Ring, entry...)
		return
	}
	copy(s.Ring[s.Next*seenBytes:], entry)
	s.Next = (s.Next + 1) % seenCapacity
}

// Find says whether the id is remembered, and whether with that ContentHash.
func (s *Seen) Find(id, hash string) (found, same bool) {
	wanted := idHash(id)
	for at := 0; at < len(s.Ring); at += seenBytes {
		if bytes.Equal(s.Ring[at:at+8], wanted) {
			return true, bytes.Equal(s.Ring[at+8:at+seenBytes], shortHash(hash))
		}
	}
	return false, false
}

func idHash(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return sum[:8]
}

// shortHash is the first 8 bytes of a hash in hex.
func shortHash(hash string) []byte {
	short := make([]byte, 8)
	_, _ = hex.Decode(short, []byte(hash)[:min(16, len(hash))])
	return short
}

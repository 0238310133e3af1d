package api

import "time"

// The keys of a membership, and the reasons for which its values are refused.
const (
	keyID      = "ID"
	keySegment = "segment"
	keyExpiry  = "expiredSegment"

	reasonRecordKey = "there is an unknown key: the keys are ID, segment and expiredSegment, written exactly so"
	reasonExpiryFar = "is too far ahead: give Unix seconds, not milliseconds, within the longest lifetime (400 days unless set otherwise)"
)

// record is one membership as a client sends it. Its names alias the text.
type record struct {
	id, segment []byte
	expiry      int64 // Unix seconds
	expiryGiven bool
	expiryAt    int // offset in the text, bytes
}

// decodeRecord reads one membership: an object with the keys ID, segment and, at
// will, expiredSegment. It overwrites data where strings hold escapes, and allocates
// nothing.
func decodeRecord(data []byte) (record, fault) {
	var r record
	c := cursor{data: data}
	c.object(func(key []byte) {
		switch string(key) {
		case keyID:
			c.once(keyID, r.id != nil)
			r.id = c.name(keyID)
		case keySegment:
			c.once(keySegment, r.segment != nil)
			r.segment = c.name(keySegment)
		case keyExpiry:
			c.once(keyExpiry, r.expiryGiven)
			r.expiryAt = c.at
			r.expiry, r.expiryGiven = c.seconds(keyExpiry), true
		default:
			c.fail("", reasonRecordKey)
		}
	})
	if r.id == nil {
		c.fail(keyID, reasonMissing)
	}
	if r.segment == nil {
		c.fail(keySegment, reasonMissing)
	}
	return r, c.fault
}

// expiries are the bounds of an expiry at one moment, in Unix seconds.
type expiries struct {
	standard int64 // for a record that gives none
	latest   int64
}

func expiriesAt(now time.Time, lifetime, lifetimeMax time.Duration) expiries {
	return expiries{
		standard: now.Add(lifetime).Unix(),
		latest:   now.Add(lifetimeMax).Unix(),
	}
}

// put makes the write of a record. An expiry in the past is as good as any.
func (e expiries) put(r record) (Write, fault) {
	w := Write{Op: OpPut, ID: r.id, Segment: r.segment, Expiry: e.standard}
	if r.expiryGiven {
		w.Expiry = r.expiry
	}
	if r.expiryGiven && r.expiry > e.latest {
		return w, fault{field: keyExpiry, reason: reasonExpiryFar, at: r.expiryAt}
	}
	return w, fault{}
}

package table

import "math/bits"

// shares says which of a piece's pages a random byte stands for, by how many pages
// there are. A page more takes an equal share from every other page and moves
// nothing else, so that a piece that grows by a page moves few memberships: as
// consistent hashing does, here by a table.
var shares = makeShares()

func makeShares() (shares [pagesMax + 1][256]uint8) {
	var held [pagesMax]int
	held[0] = 256
	for pages := 2; pages <= pagesMax; pages++ {
		shares[pages] = shares[pages-1]
		newest := pages - 1
		for held[newest] < 256/pages {
			richest := 0
			for i := range newest {
				if held[i] > held[richest] {
					richest = i
				}
			}
			// Its values in an order that the next pages do not all take from one end.
			for i := range 256 {
				value := uint8(i*167 + 59*pages)
				if shares[pages][value] == uint8(richest) {
					shares[pages][value] = uint8(newest)
					break
				}
			}
			held[richest]--
			held[newest]++
		}
	}
	return shares
}

// linesOf returns the two lines of a piece in which a key may be. They are never the
// same. The low bits of the key choose them, the high ones choose the piece.
func linesOf(low uint64, pages uint8) (first, second uint32) {
	share := &shares[pages]
	h := uint32(low)
	first = uint32(share[h&0xff])*pageLines + (h>>8&0xff)*pageLines>>8
	second = uint32(share[h>>16&0xff])*pageLines + h>>24*pageLines>>8
	if first == second {
		second ^= 1
	}
	return first, second
}

// movingBeyond returns in which slots one of the lines of what is there is in a page from
// had on: a bit for each. Those of the others are what they were with had pages.
// Without a branch, as match.
func (l *line) movingBeyond(f form, pages, had uint8) (slots uint) {
	share, last := &shares[pages], uint(had-1)
	for i := range denseSlots {
		either := (last - uint(share[l[i]&0xff])) | (last - uint(share[l[i]>>16&0xff]))
		slots |= either >> (bits.UintSize - 1) << i
	}
	return slots & (1<<f.slots() - 1)
}

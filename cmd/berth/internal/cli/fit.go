package cli

import "github.com/jedib0t/go-pretty/v6/text"

// minColumnWidth is what is left of a column that is cut: less would say nothing.
const minColumnWidth = 8

// naturalWidths are the widths that the columns would have with all the room there is.
func naturalWidths(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], text.StringWidthWithoutEscSequences(cell))
		}
	}
	return widths
}

// fit makes columns narrower, the widest first, until they fit. The first column is never cut: it is what
// people copy into the next command. Where the others are as narrow as can be, the last ones are left out. A
// width of 0 is all the room there is.
func fit(widths []int, width int) []int {
	if width <= 0 {
		return widths
	}
	for n := len(widths); n > 1; n-- {
		if narrowed, ok := narrow(widths[:n], width); ok {
			return narrowed
		}
	}
	return widths[:1]
}

func narrow(natural []int, width int) ([]int, bool) {
	widths := append([]int{}, natural...)
	total := columnGap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for ; total > width; total-- {
		widest := 0
		for i := 1; i < len(widths); i++ {
			if widths[i] > minColumnWidth && (widest == 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest == 0 {
			return nil, false
		}
		widths[widest]--
	}
	return widths, true
}

// Package prefetch asks the processor to read memory before it is needed.
//
// A load of what is in no cache stays in the processor's window of instructions until it
// has it, and holds back everything behind it once that is full, which it soon is. A
// prefetch leaves the window as soon as it is on its way.
//
// Go has the instruction for its runtime alone, so this package has it in assembly, where
// a processor's is known; elsewhere it does nothing.
package prefetch

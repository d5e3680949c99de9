// Threads for the kernels. Plain C++, included by every file; nothing here depends on the instruction set.
#pragma once

// Call `work(state)` on `threads` threads at once and wait for all.
void intertwine_run(int threads, void (*work)(void *), void *state);

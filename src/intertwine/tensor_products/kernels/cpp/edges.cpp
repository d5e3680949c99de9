// Checks the edges of a graph, and sorts them by the node that they end at and by the one that they start at. Counting
// sort, stable.
#include <stdint.h>
#include <string.h>

namespace {

void count_up(const int64_t *keys, const int64_t *items, int64_t count, int64_t nodes, int64_t *first, int64_t *order,
              bool places) {
  memset(first, 0, size_t(nodes + 1) * sizeof(int64_t));
  for (int64_t e = 0; e < count; ++e) ++first[keys[e] + 1];
  for (int64_t n = 0; n < nodes; ++n) first[n + 1] += first[n];
  for (int64_t k = 0; k < count; ++k) {
    const int64_t e = items ? items[k] : k;
    order[first[keys[e]]++] = places ? k : e;
  }
  for (int64_t n = nodes; n > 0; --n) first[n] = first[n - 1];
  first[0] = 0;
}

}  // namespace

// order: edges by receiver. places: for every sender the positions of its edges in `order`. Returns whether all nodes
// exist; where one does not, nothing is written.
extern "C" __attribute__((visibility("default"))) int intertwine_sort_edges(
    const int64_t *senders, const int64_t *receivers, int64_t edges, int64_t nodes, int64_t *first, int64_t *order,
    int64_t *sender_first, int64_t *places) {
  for (int64_t e = 0; e < edges; ++e)
    if (senders[e] < 0 || senders[e] >= nodes || receivers[e] < 0 || receivers[e] >= nodes) return 0;
  count_up(receivers, nullptr, edges, nodes, first, order, false);
  count_up(senders, order, edges, nodes, sender_first, places, true);
  return 1;
}

// Whether all numbers lie in [0, limit).
extern "C" __attribute__((visibility("default"))) int intertwine_within(const int64_t *numbers, int64_t count,
                                                                        int64_t limit) {
  for (int64_t i = 0; i < count; ++i)
    if (numbers[i] < 0 || numbers[i] >= limit) return 0;
  return 1;
}

// What DPDK takes, on this machine, to move packets from one thread to another: allocated in bursts, through a ring,
// freed in bursts. Prints JSON, for each round ns a packet, and how long a word took there and back before and after: untouched, with 8
// bytes written on one side and read on the other, and untouched with a pool that no cache holds.
//
//   cc -O3 -o hop hop.c $(pkg-config --cflags --libs libdpdk) && ./hop

#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

enum { PACKETS = 4000000, BURST = 32, ROUNDS = 3, CAPACITY = 1024 };

static struct rte_mempool *pool;
static struct rte_ring *ring;
static bool touch;
static volatile uint64_t sum;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static int consume(void *unused) {
  (void)unused;
  struct rte_mbuf *burst[BURST];
  uint64_t seen = 0;
  for (long got = 0; got < PACKETS;) {
    unsigned n = rte_ring_sc_dequeue_burst(ring, (void **)burst, BURST, NULL);
    if (n == 0) continue;
    if (touch)
      for (unsigned i = 0; i < n; i++) seen += *rte_pktmbuf_mtod(burst[i], uint64_t *);
    rte_pktmbuf_free_bulk(burst, n);
    got += n;
  }
  sum = seen;
  return 0;
}

static void produce(void) {
  struct rte_mbuf *burst[BURST];
  for (long sent = 0; sent < PACKETS;) {
    if (rte_pktmbuf_alloc_bulk(pool, burst, BURST) != 0) continue;
    if (touch)
      for (unsigned i = 0; i < BURST; i++) *rte_pktmbuf_mtod(burst[i], uint64_t *) = sent + i;
    for (unsigned done = 0; done < BURST;)
      done += rte_ring_sp_enqueue_burst(ring, (void *const *)burst + done, BURST - done, NULL);
    sent += BURST;
  }
}

static _Alignas(64) atomic_uint asked;
static _Alignas(64) atomic_uint answered;
enum { TRIPS = 20000 };

static int answer(void *unused) {
  (void)unused;
  for (unsigned i = 1; i <= TRIPS; i++) {
    while (atomic_load(&asked) != i);
    atomic_store(&answered, i);
  }
  return 0;
}

/** How far apart the two threads' cores are: nanoseconds of a word there and back. */
static double distance(void) {
  atomic_store(&asked, 0);
  atomic_store(&answered, 0);
  rte_eal_remote_launch(answer, NULL, rte_get_next_lcore(-1, 1, 0));
  double start = now();
  for (unsigned i = 1; i <= TRIPS; i++) {
    atomic_store(&asked, i);
    while (atomic_load(&answered) != i);
  }
  double ns = (now() - start) / TRIPS;
  rte_eal_mp_wait_lcore();
  return ns;
}

static void measure(const char *op, struct rte_mempool *from, bool touching, bool last) {
  pool = from;
  touch = touching;
  double before = distance();
  double start = now();
  rte_eal_remote_launch(consume, NULL, rte_get_next_lcore(-1, 1, 0));
  produce();
  rte_eal_mp_wait_lcore();
  double ns = (now() - start) / PACKETS;
  printf("{\"op\":\"%s\",\"ns\":%.2f,\"trips\":[%.1f,%.1f]}%s", op, ns, before, distance(), last ? "]\n" : ",");
}

int main(void) {
  char *args[] = {"hop", "--no-huge", "--no-pci", "-l", "0,1", "-m", "256", NULL};
  if (rte_eal_init(7, args) < 0) return 1;
  struct rte_mempool *small =
      rte_pktmbuf_pool_create("small", 8191, 256, 0, 256 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
  struct rte_mempool *large =
      rte_pktmbuf_pool_create("large", 65535, 256, 0, 256 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
  ring = rte_ring_create("ring", CAPACITY, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (small == NULL || large == NULL || ring == NULL) return 1;
  printf("[");
  for (int i = 0; i < ROUNDS; i++) {
    measure("hop", small, false, false);
    measure("touched", small, true, false);
    measure("large", large, false, i == ROUNDS - 1);
  }
  rte_eal_cleanup();
  return 0;
}

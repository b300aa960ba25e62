// The fused attention kernels, part 2 of 6: tiles of 64 tokens, features, products. See docs/kernels.md.
//
// A block of four warps goes through one head's text, 64 tokens at a time. A tile is 64 tokens in shared memory, a
// row each; rows before the text's first token and after its last are zero. Warp w makes the results of rows 16 w to
// 16 w + 15. Logarithms are of base 2 inside, where an exponential is one instruction.

#define SHARED (WINDOW > 0 && LINEAR && COMBINE == 0)  // one denominator for both branches
#define NORMALIZED (COMBINE == 0 || NORMALIZE)         // the linear branch is divided by something

#define FLOAT_MIN (-1e30f)
#define LOG2_E 1.4426950408889634f
#define FIRST_SINK (-1000000.0f)  // no distance between tokens that meet in a product of tiles

constexpr int C = 64;           // tokens of a tile
constexpr int D = HEAD_DIM;     // width of a head
constexpr int F = 2 * D;        // features of a head
constexpr int WIDE_D = D + 8;   // numbers from row to row of a tile: 8 more, so that the eight rows of a matrix lie in
constexpr int WIDE_F = F + 8;   // different banks
constexpr int THREADS = 128;
constexpr int SHARED_BYTES = 75776;

static_assert(D % 32 == 0 && D <= 64, "HEAD_DIM: a state of 2 D x D float32 must fit in the registers of 128 threads");
static_assert(SINKS >= 0 && SINKS <= 16 && (WINDOW > 0 || SINKS == 0), "SINKS");
static_assert(!(GATED && SHIFT > 0) && (LINEAR || !GATED), "GATED");

// A matrix [F, D] in float32, spread over the block: warp w holds rows w F / 4 and on, lane layout of accumulators.
constexpr int STATE_TILES = F / 64;
typedef float State[STATE_TILES][D / 8][4];

// What the forward pass saves of a row, and what the first backward kernel tells the second.
struct alignas(16) Saved {
  float top;      // largest score of the window, sinks included, log2
  float nearest;  // distance of the key that has it, FIRST_SINK - i of sink i; used with a shared denominator alone
  float near;     // 1 / the window's denominator
  float far;      // 1 / the linear branch's denominator, 0 where nothing was summed, 1 where it is not normalised
};
struct alignas(16) Rows {
  float near;  // what is subtracted from dy.v in the window
  float top;   // gradient of the largest score, which a shared denominator does not cancel
  float far;   // what is subtracted from dy.v in the linear branch
  float gate;  // the query's half of the gate's gradient
};

__device__ __forceinline__ int lane() { return threadIdx.x % 32; }
__device__ __forceinline__ int warp() { return threadIdx.x / 32; }

// Opaque: what a mask of a tile asks of these two is the same for every tile, and the compiler would work all of it
// out before the first one and keep it, in registers that the state needs.
__device__ __forceinline__ int group() {
  int x = threadIdx.x % 32 / 4;
  asm volatile("" : "+r"(x));
  return x;
}

__device__ __forceinline__ int place() {
  int x = threadIdx.x % 4;
  asm volatile("" : "+r"(x));
  return x;
}

// Sum and maximum over the four lanes that share a row.
__device__ __forceinline__ float row_sum(float x) {
  x += from_lane(x, 1);
  return x + from_lane(x, 2);
}

__device__ __forceinline__ float row_max(float x) {
  x = fmaxf(x, from_lane(x, 1));
  return fmaxf(x, from_lane(x, 2));
}

template <int N>
__device__ __forceinline__ void clear(float (&c)[N][4]) {
#pragma unroll
  for (int n = 0; n < N; n++) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      c[n][e] = 0.0f;
    }
  }
}

__device__ __forceinline__ void clear(State &state) {
#pragma unroll
  for (int m = 0; m < STATE_TILES; m++) {
    clear(state[m]);
  }
}

// Rows first .. first + 63 of [T, D] into a tile.
__device__ __forceinline__ void load_tile(elem *tile, const elem *from, int first, int T) {
#pragma unroll
  for (int i = 0; i < C * D / 8 / THREADS; i++) {
    int at = i * THREADS + threadIdx.x;
    int row = at / (D / 8);
    int column = at % (D / 8) * 8;
    int t = first + row;
    uint4 x = {0, 0, 0, 0};
    if (t >= 0 && t < T) {
      x = *(const uint4 *)(from + (long long)t * D + column);
    }
    *(uint4 *)(tile + row * WIDE_D + column) = x;
  }
}

// Writes a warp's 16 rows of an accumulator, times `scale`, to rows first .. of [T, D].
__device__ __forceinline__ void store_rows(elem *to, const float (&c)[D / 8][4], float scale, int first, int T) {
#pragma unroll
  for (int half = 0; half < 2; half++) {
    int t = first + warp() * 16 + group() + half * 8;
    if (t < T) {
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
        *(unsigned *)(to + (long long)t * D + n * 8 + place() * 2) =
            pack(c[n][half * 2] * scale, c[n][half * 2 + 1] * scale);
      }
    }
  }
}

// Asks for rows first .. first + 63 of [T, width], whatever their type, before they are needed.
template <typename X>
__device__ __forceinline__ void prefetch_tile(const X *from, int width, int first, int T) {
  const int row_bytes = width * sizeof(X);
  for (int at = threadIdx.x * 128; at < C * row_bytes; at += THREADS * 128) {
    int t = first + at / row_bytes;
    if (t >= 0 && t < T) {
      prefetch((const char *)(from + (long long)t * width) + at % row_bytes);
    }
  }
}

// The lane's share of its two rows of z [T, D]: columns 8 n + 2 p and the next. Read well before the features are
// made, so that memory works while the block does something else.
typedef float Projected[2][D / 8][2];

__device__ __forceinline__ bool is_token(int first, int half, int T) {
  int t = first + warp() * 16 + group() + half * 8;
  return t >= 0 && t < T;
}

__device__ __forceinline__ void read_projected(Projected &x, const float *z, int first, int T) {
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const float *row = z + (long long)(first + warp() * 16 + group() + half * 8) * D + place() * 2;
    bool token = is_token(first, half, T);
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
      float2 pair = {0.0f, 0.0f};
      if (token) {
        pair = *(const float2 *)(row + n * 8);
      }
      x[half][n][0] = pair.x;
      x[half][n][1] = pair.y;
    }
  }
}

// The larger one, and what is not a number stays so: fmaxf would hide it.
__device__ __forceinline__ float at_least(float least, float x) { return x < least ? least : x; }

// Features of one row, [softmax(z), softmax(-z)], each at least 1e-12 (LoLCATs' floor), the lane's share of both
// halves. Zero where the row is no token.
__device__ __forceinline__ void features(
    const float (&z)[D / 8][2], bool token, float (&up)[D / 8][2], float (&down)[D / 8][2]) {
  float high = FLOAT_MIN;
  float low = -FLOAT_MIN;
#pragma unroll
  for (int n = 0; n < D / 8; n++) {
    up[n][0] = z[n][0] * LOG2_E;
    up[n][1] = z[n][1] * LOG2_E;
    high = fmaxf(high, fmaxf(up[n][0], up[n][1]));
    low = fminf(low, fminf(up[n][0], up[n][1]));
  }
  high = row_max(high);
  low = -row_max(-low);
  float up_sum = 0.0f;
  float down_sum = 0.0f;
#pragma unroll
  for (int n = 0; n < D / 8; n++) {
#pragma unroll
    for (int e = 0; e < 2; e++) {
      down[n][e] = exp2_of(low - up[n][e]);
      up[n][e] = exp2_of(up[n][e] - high);
      up_sum += up[n][e];
      down_sum += down[n][e];
    }
  }
  up_sum = row_sum(up_sum);
  down_sum = row_sum(down_sum);
  float up_part = token ? 1.0f / up_sum : 0.0f;
  float down_part = token ? 1.0f / down_sum : 0.0f;
  float least = token ? 1e-12f : 0.0f;
#pragma unroll
  for (int n = 0; n < D / 8; n++) {
#pragma unroll
    for (int e = 0; e < 2; e++) {
      up[n][e] = at_least(least, up[n][e] * up_part);
      down[n][e] = at_least(least, down[n][e] * down_part);
    }
  }
}

// Features of rows first .. first + 63 into a tile of width F.
__device__ __forceinline__ void store_features(elem *tile, const Projected &z, int first, int T) {
#pragma unroll
  for (int half = 0; half < 2; half++) {
    float up[D / 8][2];
    float down[D / 8][2];
    features(z[half], is_token(first, half, T), up, down);
    elem *row = tile + (warp() * 16 + group() + half * 8) * WIDE_F + place() * 2;
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
      *(unsigned *)(row + n * 8) = pack(up[n][0], up[n][1]);
      *(unsigned *)(row + D + n * 8) = pack(down[n][0], down[n][1]);
    }
  }
}

// From the gradient of a warp's features, c [16, F], to that of z, rows first .. of [T, D]; f: the features, as the
// products take them. Gives each row's features times their gradient.
__device__ __forceinline__ void features_backward(
    float *dz, const elem *f, const float (&c)[F / 8][4], int first, int T, float (&dot)[2]) {
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const elem *row = f + (group() + half * 8) * WIDE_F + place() * 2;
    float up_dot = 0.0f;
    float down_dot = 0.0f;
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
      float2 up = unpack(*(const unsigned *)(row + n * 8));
      float2 down = unpack(*(const unsigned *)(row + D + n * 8));
      up_dot += up.x * c[n][half * 2] + up.y * c[n][half * 2 + 1];
      down_dot += down.x * c[D / 8 + n][half * 2] + down.y * c[D / 8 + n][half * 2 + 1];
    }
    up_dot = row_sum(up_dot);
    down_dot = row_sum(down_dot);
    dot[half] = up_dot + down_dot;
    if (is_token(first, half, T)) {
      float *to = dz + (long long)(first + warp() * 16 + group() + half * 8) * D + place() * 2;
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
        float2 up = unpack(*(const unsigned *)(row + n * 8));
        float2 down = unpack(*(const unsigned *)(row + D + n * 8));
        float2 x;
        x.x = up.x * (c[n][half * 2] - up_dot) - down.x * (c[D / 8 + n][half * 2] - down_dot);
        x.y = up.y * (c[n][half * 2 + 1] - up_dot) - down.y * (c[D / 8 + n][half * 2 + 1] - down_dot);
        *(float2 *)(to + n * 8) = x;
      }
    }
  }
}

// The lane's two log-gates of rows first .. first + 63, in log2; none act behind the text. For the first warp.
__device__ __forceinline__ float2 read_gates(const float *g, int first, int T) {
  int t = first + lane() * 2;
  float2 pair = {0.0f, 0.0f};
  if (warp() == 0 && t < T) {
    pair.x = g[t] * LOG2_E;
    pair.y = t + 1 < T ? g[t + 1] * LOG2_E : 0.0f;
  }
  return pair;
}

// Log-gates summed from the tile's start, and exp of those that a row lives through until the tile's end.
__device__ __forceinline__ void sum_gates(float *sums, float *until_end, float2 pair) {
  if (warp() == 0) {
    float sum = pair.x + pair.y;
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) {
      float before = from_lane_below(sum, distance);
      sum += lane() >= distance ? before : 0.0f;
    }
    float last = from_last_lane(sum);
    sums[lane() * 2] = sum - pair.y;
    sums[lane() * 2 + 1] = sum;
    until_end[lane() * 2] = exp2_of(last - (sum - pair.y));
    until_end[lane() * 2 + 1] = exp2_of(last - sum);
  }
}

// c += a b^T: a 16 rows and b N rows of shared memory, both K wide.
template <int N, int K, int WIDE>
__device__ __forceinline__ void add_rows_by_rows(float (&c)[N / 8][4], const elem *a, const elem *b) {
#pragma unroll
  for (int k = 0; k < K; k += 16) {
    unsigned x[4];
    load_matrices(x, a + lane() % 16 * WIDE + k + lane() / 16 * 8);
#pragma unroll
    for (int n = 0; n < N; n += 16) {
      unsigned w[4];
      load_matrices(w, b + (n + lane() % 8 + lane() / 16 * 8) * WIDE + k + lane() / 8 % 2 * 8);
      multiply_add(c[n / 8], x, w[0], w[1]);
      multiply_add(c[n / 8 + 1], x, w[2], w[3]);
    }
  }
}

// c += a b: a 16 rows, K wide, and b K rows, N wide, of shared memory.
template <int N, int K, int WIDE_A, int WIDE_B>
__device__ __forceinline__ void add_rows(float (&c)[N / 8][4], const elem *a, const elem *b) {
#pragma unroll
  for (int k = 0; k < K; k += 16) {
    unsigned x[4];
    load_matrices(x, a + lane() % 16 * WIDE_A + k + lane() / 16 * 8);
#pragma unroll
    for (int n = 0; n < N; n += 16) {
      unsigned w[4];
      load_transposed(w, b + (k + lane() % 16) * WIDE_B + n + lane() / 16 * 8);
      multiply_add(c[n / 8], x, w[0], w[1]);
      multiply_add(c[n / 8 + 1], x, w[2], w[3]);
    }
  }
}

// c += a b: a [16, 64] an accumulator, rounded, and b 64 rows, N wide, of shared memory.
template <int N, int WIDE>
__device__ __forceinline__ void add_weighted(float (&c)[N / 8][4], const float (&a)[C / 8][4], const elem *b) {
#pragma unroll
  for (int k = 0; k < C; k += 16) {
    unsigned x[4];
    x[0] = pack(a[k / 8][0], a[k / 8][1]);
    x[1] = pack(a[k / 8][2], a[k / 8][3]);
    x[2] = pack(a[k / 8 + 1][0], a[k / 8 + 1][1]);
    x[3] = pack(a[k / 8 + 1][2], a[k / 8 + 1][3]);
#pragma unroll
    for (int n = 0; n < N; n += 16) {
      unsigned w[4];
      load_transposed(w, b + (k + lane() % 16) * WIDE + n + lane() / 16 * 8);
      multiply_add(c[n / 8], x, w[0], w[1]);
      multiply_add(c[n / 8 + 1], x, w[2], w[3]);
    }
  }
}

// state = keep state + (rows of f times `weight`)^T v, over the 64 rows of both tiles. Each warp its rows of the state.
template <bool WEIGHTED>
__device__ __forceinline__ void add_to_state(
    State &state, float keep, const elem *f, const elem *v, const float *weight) {
  if (WEIGHTED) {
#pragma unroll
    for (int m = 0; m < STATE_TILES; m++) {
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          state[m][n][e] *= keep;
        }
      }
    }
  }
#pragma unroll
  for (int k = 0; k < C; k += 16) {
    unsigned x[STATE_TILES][4];
#pragma unroll
    for (int m = 0; m < STATE_TILES; m++) {
      int column = warp() * (F / 4) + m * 16 + lane() / 8 % 2 * 8;
      load_transposed(x[m], f + (k + lane() % 8 + lane() / 16 * 8) * WIDE_F + column);
      if (WEIGHTED) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          float2 pair = unpack(x[m][i]);
          int row = k + i / 2 * 8 + place() * 2;
          x[m][i] = pack(pair.x * weight[row], pair.y * weight[row + 1]);
        }
      }
    }
#pragma unroll
    for (int n = 0; n < D; n += 16) {
      unsigned w[4];
      load_transposed(w, v + (k + lane() % 16) * WIDE_D + n + lane() / 16 * 8);
#pragma unroll
      for (int m = 0; m < STATE_TILES; m++) {
        multiply_add(state[m][n / 8], x[m], w[0], w[1]);
        multiply_add(state[m][n / 8 + 1], x[m], w[2], w[3]);
      }
    }
  }
}

// The state, rounded, into shared memory, F rows.
__device__ __forceinline__ void store_state(elem *to, const State &state) {
#pragma unroll
  for (int m = 0; m < STATE_TILES; m++) {
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        int row = warp() * (F / 4) + m * 16 + group() + half * 8;
        *(unsigned *)(to + row * WIDE_D + n * 8 + place() * 2) =
            pack(state[m][n][half * 2], state[m][n][half * 2 + 1]);
      }
    }
  }
}

// The sum over a tile's rows of one feature, this thread's, times `weight`.
template <bool WEIGHTED>
__device__ __forceinline__ float feature_sum(const elem *f, const float *weight) {
  float sum = 0.0f;
  if (threadIdx.x < F) {
#pragma unroll 8
    for (int row = 0; row < C; row++) {
      float2 pair = unpack(*(const unsigned *)(f + row * WIDE_F + threadIdx.x / 2 * 2));
      float x = threadIdx.x % 2 == 0 ? pair.x : pair.y;
      sum += WEIGHTED ? x * weight[row] : x;
    }
  }
  return sum;
}

#if WINDOW > 0
// Is a key so many tokens before a query in its window?
__device__ __forceinline__ bool in_window(int distance) { return (unsigned)distance < (unsigned)WINDOW; }
#endif

// exp of the log-gates between key and query, both places of a tile; 0 where the key comes after the query.
__device__ __forceinline__ float decay(const float *gates, int query, int key) {
  float x = 1.0f;
#if GATED
  x = exp2_of(gates[query] - gates[key]);
#endif
  return key <= query ? x : 0.0f;
}

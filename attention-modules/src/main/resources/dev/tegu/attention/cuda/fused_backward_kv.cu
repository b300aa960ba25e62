// The fused attention kernels, part 6 of 6: backward, what goes backward in time. See docs/kernels.md.
//
// The gradients of keys, values and gates need the gradient of the state after each tile: the sum over later queries
// of their features and of dy. Tiles are of keys here; the linear branch's queries stand SHIFT tokens later.

struct KeysShared {
  elem v[C * WIDE_D];
  elem dy[C * WIDE_D];
  Saved saved[C];  // of the tile of queries at hand; zero where there is none
  Rows rows[C];
  union {
    struct {
      elem q[C * WIDE_D];
      elem k[C * WIDE_D];
    } window;
    struct {
      elem q[C * WIDE_F];
      elem k[C * WIDE_F];
      elem state[F * WIDE_D];
      float query_sum[F];
      float gates[C];
      float read[C];       // what a query counts when it is added to the state's gradient
      float until_end[C];  // exp of the gates that a key lives through in its own tile
      float gate[C];       // query's minus key's half of the gate's gradient
    } linear;
  };
};
static_assert(sizeof(KeysShared) <= SHARED_BYTES, "shared memory");

// dy and the numbers of rows first .. first + 63.
__device__ __forceinline__ void load_queries(
    KeysShared &s, const elem *dy, const Saved *saved, const Rows *rows, int first, int T) {
  load_tile(s.dy, dy, first, T);
  if (threadIdx.x < C) {
    int t = first + threadIdx.x;
    s.saved[threadIdx.x] = t < T ? saved[t] : Saved{0.0f, 0.0f, 0.0f, 0.0f};
    s.rows[threadIdx.x] = t < T ? rows[t] : Rows{0.0f, 0.0f, 0.0f, 0.0f};
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2) fused_backward_kv(
    const float *zq, const float *zk, const elem *qw, const elem *kw, const elem *v, const float *g, const float *mix,
    const float *sinks, const Saved *saved, const elem *dy, const Rows *rows, float *dzk, elem *dkw, elem *dv,
    float *dg, int B, int H, int K, int T) {
  extern __shared__ uint4 memory[];
  KeysShared &s = *(KeysShared *)memory;
  const int h = blockIdx.x % H;
  const long long head = blockIdx.x;
  const long long kv_head = blockIdx.x / H * K + h / (H / K);
  zq += head * T * D;
  zk += head * T * D;
  qw += head * T * D;
  kw += kv_head * T * D;
  v += kv_head * T * D;
  g += head * T;
  saved += head * T;
  dy += head * T * D;
  rows += head * T;
  dzk += head * T * D;
  dkw += head * T * D;
  dv += head * T * D;
  dg += head * T;
  [[maybe_unused]] const float weight = WINDOW > 0 && (LINEAR || COMBINE == 1) ? mix[h] : 1.0f;
#if LINEAR
  const float far_weight = SHARED && AFFINE ? 1.0f - weight : 1.0f;
  State state;  // its gradient
  clear(state);
  float query_sum = 0.0f;  // gradient of the sum of keys, this thread's feature
#endif
#if GATED
  float gate_sum = 0.0f;  // gradient of the gates after the tile
#endif
  for (int tile = (T - 1) / C; tile >= 0; tile--) {
    prefetch_tile(v, D, (tile - 1) * C, T);
    prefetch_tile(dy, D, (tile - 1) * C, T);
#if WINDOW > 0 && INPUT_GRADS
    prefetch_tile(qw, D, (tile - 1) * C, T);
    prefetch_tile(kw, D, (tile - 1) * C, T);
#endif
#if LINEAR
    prefetch_tile(zq, D, (tile - 1) * C + SHIFT, T);
    prefetch_tile(zk, D, (tile - 1) * C, T);
#endif
    float value[D / 8][4];
    clear(value);
    __syncthreads();
    load_tile(s.v, v, tile * C, T);

#if WINDOW > 0 && INPUT_GRADS
    const float scale = rsqrtf((float)D) * LOG2_E;
    load_tile(s.window.k, kw, tile * C, T);
    float key[D / 8][4];
    clear(key);
    for (int at = tile; at * C < T && at * C - (tile * C + C - 1) < WINDOW; at++) {
      __syncthreads();
      load_tile(s.window.q, qw, at * C, T);
      load_queries(s, dy, saved, rows, at * C, T);
      __syncthreads();
      float weights[C / 8][4];
      float dots[C / 8][4];
      clear(weights);
      clear(dots);
      add_rows_by_rows<C, D, WIDE_D>(weights, s.window.k + warp() * 16 * WIDE_D, s.window.q);
      add_rows_by_rows<C, D, WIDE_D>(dots, s.v + warp() * 16 * WIDE_D, s.dy);
#pragma unroll
      for (int n = 0; n < C / 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          int query = n * 8 + place() * 2 + e % 2;
          int distance = (at - tile) * C + query - (warp() * 16 + group() + e / 2 * 8);
          float x = exp2_of(weights[n][e] * scale - s.saved[query].top) * (weight * s.saved[query].near);
          x = in_window(distance) ? x : 0.0f;
          weights[n][e] = x;
          dots[n][e] = x * (dots[n][e] - s.rows[query].near);
#if SHARED
          dots[n][e] += s.saved[query].nearest == (float)distance ? s.rows[query].top : 0.0f;
#endif
        }
      }
      add_weighted<D, WIDE_D>(value, weights, s.dy);
      add_weighted<D, WIDE_D>(key, dots, s.window.q);
    }
    store_rows(dkw, key, rsqrtf((float)D), tile * C, T);
#endif

#if LINEAR
    Projected query_z;
    read_projected(query_z, zq, tile * C + SHIFT, T);
    Projected key_z;
    read_projected(key_z, zk, tile * C, T);
#if GATED
    float2 gates = read_gates(g, tile * C, T);
#endif
    __syncthreads();
    load_queries(s, dy, saved, rows, tile * C + SHIFT, T);
    store_state(s.linear.state, state);
    if (threadIdx.x < F) {
      s.linear.query_sum[threadIdx.x] = query_sum;
    }
    store_features(s.linear.q, query_z, tile * C + SHIFT, T);
    store_features(s.linear.k, key_z, tile * C, T);
#if GATED
    sum_gates(s.linear.gates, s.linear.until_end, gates);
#endif
    __syncthreads();
    if (threadIdx.x < C) {
      float read = far_weight * s.saved[threadIdx.x].far;
#if GATED
      read *= exp2_of(s.linear.gates[threadIdx.x]);
#endif
      s.linear.read[threadIdx.x] = read;
    }
    __syncthreads();

    const elem *k_rows = s.linear.k + warp() * 16 * WIDE_F;
    const elem *v_rows = s.v + warp() * 16 * WIDE_D;
    float lived[2] = {1.0f, 1.0f};
#if GATED
    lived[0] = s.linear.until_end[warp() * 16 + group()];
    lived[1] = s.linear.until_end[warp() * 16 + group() + 8];
#endif
    float weights[C / 8][4];
#if INPUT_GRADS
    {
      float later[D / 8][4];
      clear(later);
      add_rows<D, F, WIDE_F, WIDE_D>(later, k_rows, s.linear.state);
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          value[n][e] += later[n][e] * lived[e / 2];
        }
      }
    }
    clear(weights);
    add_rows_by_rows<C, F, WIDE_F>(weights, k_rows, s.linear.q);
#pragma unroll
    for (int n = 0; n < C / 8; n++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        int query = n * 8 + place() * 2 + e % 2;
        float x = weights[n][e] * (far_weight * s.saved[query].far);
        weights[n][e] = x * decay(s.linear.gates, query, warp() * 16 + group() + e / 2 * 8);
      }
    }
    add_weighted<D, WIDE_D>(value, weights, s.dy);
#endif

    clear(weights);
    add_rows_by_rows<C, D, WIDE_D>(weights, v_rows, s.dy);
#pragma unroll
    for (int n = 0; n < C / 8; n++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        int query = n * 8 + place() * 2 + e % 2;
        float x = (weights[n][e] - s.rows[query].far) * (far_weight * s.saved[query].far);
        weights[n][e] = x * decay(s.linear.gates, query, warp() * 16 + group() + e / 2 * 8);
      }
    }
    float key_far[F / 8][4];  // gradient of the features
    clear(key_far);
    add_rows_by_rows<F, D, WIDE_D>(key_far, v_rows, s.linear.state);
#pragma unroll
    for (int n = 0; n < F / 8; n++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        key_far[n][e] = (key_far[n][e] + s.linear.query_sum[n * 8 + place() * 2 + e % 2]) * lived[e / 2];
      }
    }
    add_weighted<F, WIDE_F>(key_far, weights, s.linear.q);
    float dot[2];
    features_backward(dzk, k_rows, key_far, tile * C, T, dot);

    float keep = 1.0f;
#if GATED
    keep = exp2_of(s.linear.gates[C - 1]);
#endif
    add_to_state<true>(state, keep, s.linear.q, s.dy, s.linear.read);
    query_sum *= keep;
    if (threadIdx.x < F) {
      for (int row = 0; row < C; row++) {
        float2 pair = unpack(*(const unsigned *)(s.linear.q + row * WIDE_F + threadIdx.x / 2 * 2));
        float x = threadIdx.x % 2 == 0 ? pair.x : pair.y;
        query_sum -= x * s.linear.read[row] * s.rows[row].far;
      }
    }

#if GATED
    // the gate of a token acts on every pair of a key before it and a query at it or later; the pairs of two later
    // ones are in the query's half and in the key's, and cancel
#pragma unroll
    for (int half = 0; half < 2; half++) {
      int in_tile = warp() * 16 + group() + half * 8;
      if (place() == 0) {
        s.linear.gate[in_tile] = s.rows[in_tile].gate - dot[half];
      }
    }
    __syncthreads();
    if (warp() == 0) {
      // from the tile's end: the lane's two tokens are the last but 2 lane() and the one before it
      int last = C - 1 - lane() * 2;
      float sum = s.linear.gate[last] + s.linear.gate[last - 1];
#pragma unroll
      for (int distance = 1; distance < 32; distance *= 2) {
        float after = from_lane_below(sum, distance);
        sum += lane() >= distance ? after : 0.0f;
      }
      sum += gate_sum;
      int t = tile * C + last;
      if (t < T) {
        dg[t] = sum - s.linear.gate[last - 1];
      }
      if (t - 1 < T) {
        dg[t - 1] = sum;
      }
      gate_sum = from_last_lane(sum);
    }
#endif
#endif
#if INPUT_GRADS
    store_rows(dv, value, 1.0f, tile * C, T);
#endif
  }
}

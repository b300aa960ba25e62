// The fused attention kernels, part 5 of 6: backward, what goes forward in time. See docs/kernels.md.
//
// The gradients of queries, of the mix and of the sinks need the state before each tile, which is made again.

struct QueriesShared {
  elem dy[C * WIDE_D];
  float sums[THREADS / 32];
  LinearTile linear;
  union {
    struct {
      elem q[C * WIDE_D];
      elem k[C * WIDE_D];
      elem v[C * WIDE_D];
    } window;
    elem q[C * WIDE_F];  // features
  };
};
static_assert(sizeof(QueriesShared) <= SHARED_BYTES, "shared memory");

#if WINDOW > 0
// One tile of keys: the window's weights, not divided, and dy.v, for the warp's rows.
__device__ __forceinline__ void window_tile(
    QueriesShared &s, const elem *k, const elem *v, const float (&top)[2], int tile, int at, int T,
    float (&weight)[C / 8][4], float (&dot)[C / 8][4]) {
  const float scale = rsqrtf((float)D) * LOG2_E;
  __syncthreads();
  load_tile(s.window.k, k, at * C, T);
  load_tile(s.window.v, v, at * C, T);
  __syncthreads();
  clear(weight);
  clear(dot);
  add_rows_by_rows<C, D, WIDE_D>(weight, s.window.q + warp() * 16 * WIDE_D, s.window.k);
  add_rows_by_rows<C, D, WIDE_D>(dot, s.dy + warp() * 16 * WIDE_D, s.window.v);
#pragma unroll
  for (int n = 0; n < C / 8; n++) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      int distance = (tile - at) * C + warp() * 16 + group() + e / 2 * 8 - n * 8 - place() * 2 - e % 2;
      float x = exp2_of(weight[n][e] * scale - top[e / 2]);
      weight[n][e] = in_window(distance) ? x : 0.0f;
    }
  }
}
#endif

// The sum of one number a thread over the block, in every thread.
__device__ __forceinline__ float block_sum(float *sums, float x) {
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    x += from_lane(x, distance);
  }
  __syncthreads();
  if (lane() == 0) {
    sums[warp()] = x;
  }
  __syncthreads();
  float sum = 0.0f;
#pragma unroll
  for (int w = 0; w < THREADS / 32; w++) {
    sum += sums[w];
  }
  return sum;
}

extern "C" __global__ void __launch_bounds__(THREADS, 2) fused_backward_q(
    const float *zq, const float *zk, const elem *qw, const elem *kw, const elem *v, const float *g, const float *mix,
    const float *sinks, const elem *y, const Saved *saved, const elem *dy, Rows *rows, float *dzq, elem *dqw,
    float *dmix, float *dsinks, int B, int H, int K, int T) {
  extern __shared__ uint4 memory[];
  QueriesShared &s = *(QueriesShared *)memory;
  const int h = blockIdx.x % H;
  const long long head = blockIdx.x;
  const long long kv_head = blockIdx.x / H * K + h / (H / K);
  zq += head * T * D;
  zk += head * T * D;
  qw += head * T * D;
  kw += kv_head * T * D;
  v += kv_head * T * D;
  g += head * T;
  sinks += h * SINKS;
  y += head * T * D;
  saved += head * T;
  dy += head * T * D;
  rows += head * T;
  dzq += head * T * D;
  dqw += head * T * D;
  const float weight = WINDOW > 0 && (LINEAR || COMBINE == 1) ? mix[h] : 1.0f;
#if LINEAR
  const float far_weight = SHARED && AFFINE ? 1.0f - weight : 1.0f;
#endif

#if LINEAR
  State state;
  clear(state);
  float key_sum = 0.0f;
#endif
#if WINDOW > 0
  float mix_sum = 0.0f;
  float sink_sums[SINKS + 1] = {};  // the last one for no sinks
#endif
  for (int tile = 0; tile * C < T; tile++) {
    prefetch_tile(v, D, (tile + 1) * C, T);
    prefetch_tile(y, D, (tile + 1) * C, T);
    prefetch_tile(dy, D, (tile + 1) * C, T);
#if WINDOW > 0
    prefetch_tile(qw, D, (tile + 1) * C, T);
    prefetch_tile(kw, D, (tile + 1) * C, T);
#endif
#if LINEAR
    prefetch_tile(zq, D, (tile + 1) * C, T);
    prefetch_tile(zk, D, (tile + 1) * C - SHIFT, T);
#endif
    Saved row[2];
    Rows made[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      int t = tile * C + warp() * 16 + group() + half * 8;
      row[half] = Saved{0.0f, 0.0f, 0.0f, 0.0f};
      float sum = 0.0f;
      if (t < T) {
        row[half] = saved[t];
#pragma unroll
        for (int n = 0; n < D / 8; n++) {
          long long at = (long long)t * D + n * 8 + place() * 2;
          float2 a = unpack(*(const unsigned *)(y + at));
          float2 b = unpack(*(const unsigned *)(dy + at));
          sum += a.x * b.x + a.y * b.y;
        }
      }
      sum = row_sum(sum);
      made[half] = Rows{sum, 0.0f, NORMALIZED ? sum : 0.0f, 0.0f};
    }
    __syncthreads();
    load_tile(s.dy, dy, tile * C, T);
#if LINEAR
    load_linear_tile(s.linear, zk, v, g, tile, T, state, key_sum);
    __syncthreads();
#endif
#if SHARED
    // the linear branch's part of dy.y: y itself is rounded, and what a larger share of the window would do to it is
    // a small difference
    float far_dot[2] = {0.0f, 0.0f};
    float far_den[2];
    {
      Projected query;
      read_projected(query, zq, tile * C, T);
      store_features(s.q, query, tile * C, T);
      __syncthreads();
      float num[D / 8][4];
      linear_rows(s.linear, s.q + warp() * 16 * WIDE_F, num, far_den);
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
          int at = (warp() * 16 + group() + half * 8) * WIDE_D + n * 8 + place() * 2;
          float2 pair = unpack(*(const unsigned *)(s.dy + at));
          far_dot[half] += pair.x * num[n][half * 2] + pair.y * num[n][half * 2 + 1];
        }
      }
      far_dot[0] = row_sum(far_dot[0]);
      far_dot[1] = row_sum(far_dot[1]);
      __syncthreads();
    }
#endif

#if WINDOW > 0
    load_tile(s.window.q, qw, tile * C, T);
    float top[2] = {row[0].top, row[1].top};
    float weights[C / 8][4];
    float dots[C / 8][4];
    float sums[2] = {0.0f, 0.0f};  // of weights times dy.v
    float total[2] = {0.0f, 0.0f};  // of weights
    for (int at = tile; at >= 0 && tile * C - (at * C + C - 1) < WINDOW; at--) {
      window_tile(s, kw, v, top, tile, at, T, weights, dots);
#pragma unroll
      for (int n = 0; n < C / 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          sums[e / 2] += weights[n][e] * dots[n][e];
          total[e / 2] += weights[n][e];
        }
      }
    }
    float near_scale[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      sums[half] = row_sum(sums[half]);
      total[half] = row_sum(total[half]);
      near_scale[half] = weight * row[half].near;
      float sink_weights[SINKS + 1];
#pragma unroll
      for (int i = 0; i < SINKS; i++) {
        sink_weights[i] = exp2_of(sinks[i] * LOG2_E - row[half].top);
        total[half] += sink_weights[i];
      }
#if SHARED
      // the largest score is subtracted from the window's alone: its gradient, and with it the mix's, is that of
      // making the window's weights larger
      float larger = (sums[half] * far_den[half] - far_dot[half] * total[half]) * row[half].near;
      made[half].near = near_scale[half] * sums[half] + far_weight * row[half].far * far_dot[half];
      made[half].far = made[half].near;
      made[half].top = -near_scale[half] * far_weight * larger;
      mix_sum += place() == 0 ? larger * row[half].near : 0.0f;
#else
      made[half].near = sums[half] * row[half].near;
      if (LINEAR && NORMALIZED) {
        made[half].far -= weight * made[half].near;
      }
      if (COMBINE == 1) {
        mix_sum += place() == 0 ? made[half].near : 0.0f;
      }
#endif
#pragma unroll
      for (int i = 0; i < SINKS; i++) {
        float x = -near_scale[half] * sink_weights[i] * made[half].near;
        x += SHARED && row[half].nearest == FIRST_SINK - i ? made[half].top : 0.0f;
        sink_sums[i] += place() == 0 ? x : 0.0f;
      }
    }
#if INPUT_GRADS
    float query[D / 8][4];
    clear(query);
    for (int at = tile; at >= 0 && tile * C - (at * C + C - 1) < WINDOW; at--) {
      window_tile(s, kw, v, top, tile, at, T, weights, dots);
#pragma unroll
      for (int n = 0; n < C / 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          float x = near_scale[e / 2] * weights[n][e] * (dots[n][e] - made[e / 2].near);
#if SHARED
          int distance = (tile - at) * C + warp() * 16 + group() + e / 2 * 8 - n * 8 - place() * 2 - e % 2;
          x += row[e / 2].nearest == (float)distance ? made[e / 2].top : 0.0f;
#endif
          weights[n][e] = x;
        }
      }
      add_weighted<D, WIDE_D>(query, weights, s.window.k);
    }
    store_rows(dqw, query, rsqrtf((float)D), tile * C, T);
#endif
#endif

#if LINEAR
    const elem *dy_rows = s.dy + warp() * 16 * WIDE_D;
    float query_far[F / 8][4];  // gradient of the features
    clear(query_far);
    add_rows_by_rows<F, D, WIDE_D>(query_far, dy_rows, s.linear.state);
    float weights_far[C / 8][4];
    clear(weights_far);
    add_rows_by_rows<C, D, WIDE_D>(weights_far, dy_rows, s.linear.v);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      int in_tile = warp() * 16 + group() + half * 8;
      float scale = far_weight * row[half].far;
      float lived = scale;
#if GATED
      lived *= exp2_of(s.linear.gates[in_tile]);
#endif
#pragma unroll
      for (int e = half * 2; e < half * 2 + 2; e++) {
#pragma unroll
        for (int n = 0; n < F / 8; n++) {
          query_far[n][e] -= made[half].far * s.linear.key_sum[n * 8 + place() * 2 + e % 2];
          query_far[n][e] *= lived;
        }
#pragma unroll
        for (int n = 0; n < C / 8; n++) {
          float x = (weights_far[n][e] - made[half].far) * scale;
          weights_far[n][e] = x * decay(s.linear.gates, in_tile, n * 8 + place() * 2 + e % 2);
        }
      }
    }
    add_weighted<F, WIDE_F>(query_far, weights_far, s.linear.k);
    float dot[2] = {0.0f, 0.0f};
    features_backward(dzq, zq, query_far, tile * C, T, dot);
    made[0].gate = dot[0];
    made[1].gate = dot[1];

    add_linear_tile(s.linear, state, key_sum);
#endif

#pragma unroll
    for (int half = 0; half < 2; half++) {
      int t = tile * C + warp() * 16 + group() + half * 8;
      if (place() == 0 && t < T) {
        rows[t] = made[half];
      }
    }
  }

#if WINDOW > 0
  mix_sum = block_sum(s.sums, mix_sum);
  if (threadIdx.x == 0) {
    dmix[head] = mix_sum;
  }
#pragma unroll
  for (int i = 0; i < SINKS; i++) {
    float sum = block_sum(s.sums, sink_sums[i]);
    if (threadIdx.x == 0) {
      dsinks[head * SINKS + i] = sum;
    }
  }
#endif
}

// Pooling and its gradients, for CUDA. layers/pooling.py explains the arrays.
//
//     x, dx           (N, x_height, x_width, channels)
//     y, dy, winners  (N, height, width, channels)


// y[n, oh, ow, c]       = the largest x[n, oh * stride_height - padding_height + i,
//                                       ow * stride_width - padding_width + j, c]  inside the image
// winners[n, oh, ow, c] = i * kernel_width + j, its place
// The first of equal elements wins, and the first NaN over everything. Every window must hold a pixel.
// A thread computes one element of y and the same of `winners`.
extern "C" __global__ void max_pool(
    INDEX size, const REAL *x, INDEX x_height, INDEX x_width, INDEX channels, INDEX kernel_height,
    INDEX kernel_width, INDEX stride_height, INDEX stride_width, INDEX padding_height,
    INDEX padding_width, INDEX height, INDEX width, REAL *y, int *winners)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        INDEX c = index % channels;
        INDEX left = index / channels % width * stride_width - padding_width;
        INDEX top = index / channels / width % height * stride_height - padding_height;
        INDEX n = index / channels / width / height;

        REAL best = 0;
        int winner = -1;
        for (INDEX i = 0; i < kernel_height; i++)
            for (INDEX j = 0; j < kernel_width; j++) {
                INDEX h = top + i, w = left + j;
                if (h < 0 || h >= x_height || w < 0 || w >= x_width)
                    continue;
                REAL element = x[((n * x_height + h) * x_width + w) * channels + c];
                // "not <=" is true for a NaN element as well; best == best: a NaN that leads already is kept.
                if (winner < 0 || (!(element <= best) && best == best)) {
                    best = element;
                    winner = (int)(i * kernel_width + j);
                }
            }
        y[index] = best;
        winners[index] = winner;
    }
}


// Along one axis, window o holds the places o * stride to o * stride + kernel - 1 of the padded image. These are the
// first window that holds a place and, of `count` windows, the last.
static __device__ INDEX first_window(INDEX place, INDEX kernel, INDEX stride)
{
    return place < kernel ? 0 : (place - kernel) / stride + 1;
}

static __device__ INDEX last_window(INDEX place, INDEX stride, INDEX count)
{
    return place / stride < count ? place / stride : count - 1;
}


// dx[n, h, w, c] = sum of dy[n, oh, ow, c] over the windows (oh, ow) that the pixel (h, w) won.
// A thread computes one element of dx: it asks every window that holds the pixel whether the pixel won.
extern "C" __global__ void max_pool_backward(
    INDEX size, const REAL *dy, const int *winners, INDEX height, INDEX width, INDEX kernel_height,
    INDEX kernel_width, INDEX stride_height, INDEX stride_width, INDEX padding_height,
    INDEX padding_width, INDEX x_height, INDEX x_width, INDEX channels, REAL *dx)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        INDEX c = index % channels;
        INDEX w = index / channels % x_width + padding_width;  // in the padded image
        INDEX h = index / channels / x_width % x_height + padding_height;
        INDEX n = index / channels / x_width / x_height;

        INDEX last_oh = last_window(h, stride_height, height), last_ow = last_window(w, stride_width, width);
        REAL sum = 0;
        for (INDEX oh = first_window(h, kernel_height, stride_height); oh <= last_oh; oh++)
            for (INDEX ow = first_window(w, kernel_width, stride_width); ow <= last_ow; ow++) {
                INDEX place = (h - oh * stride_height) * kernel_width + w - ow * stride_width;
                INDEX window = ((n * height + oh) * width + ow) * channels + c;
                if (winners[window] == place)
                    sum += dy[window];
            }
        dx[index] = sum;
    }
}


// y[n, oh, ow, c] = factor * sum over i, j of x[n, oh * stride_height - padding_height + i,
//                                                ow * stride_width - padding_width + j, c],  0 outside the image.
// A thread computes one element of y.
extern "C" __global__ void sum_pool(
    INDEX size, const REAL *x, INDEX x_height, INDEX x_width, INDEX channels, INDEX kernel_height,
    INDEX kernel_width, INDEX stride_height, INDEX stride_width, INDEX padding_height,
    INDEX padding_width, INDEX height, INDEX width, double factor, REAL *y)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        INDEX c = index % channels;
        INDEX left = index / channels % width * stride_width - padding_width;
        INDEX top = index / channels / width % height * stride_height - padding_height;
        INDEX n = index / channels / width / height;

        REAL sum = 0;
        for (INDEX h = top; h < top + kernel_height; h++)
            for (INDEX w = left; w < left + kernel_width; w++)
                if (h >= 0 && h < x_height && w >= 0 && w < x_width)
                    sum += x[((n * x_height + h) * x_width + w) * channels + c];
        y[index] = (REAL)factor * sum;
    }
}


// dx[n, h, w, c] = factor * sum of dy[n, oh, ow, c] over the windows (oh, ow) that hold the pixel (h, w).
// A thread computes one element of dx.
extern "C" __global__ void sum_pool_backward(
    INDEX size, const REAL *dy, INDEX height, INDEX width, INDEX kernel_height, INDEX kernel_width,
    INDEX stride_height, INDEX stride_width, INDEX padding_height, INDEX padding_width,
    INDEX x_height, INDEX x_width, INDEX channels, double factor,
    REAL *dx)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        INDEX c = index % channels;
        INDEX w = index / channels % x_width + padding_width;  // in the padded image
        INDEX h = index / channels / x_width % x_height + padding_height;
        INDEX n = index / channels / x_width / x_height;

        INDEX last_oh = last_window(h, stride_height, height), last_ow = last_window(w, stride_width, width);
        REAL sum = 0;
        for (INDEX oh = first_window(h, kernel_height, stride_height); oh <= last_oh; oh++)
            for (INDEX ow = first_window(w, kernel_width, stride_width); ow <= last_ow; ow++)
                sum += dy[((n * height + oh) * width + ow) * channels + c];
        dx[index] = (REAL)factor * sum;
    }
}

// TQ2_0 on the GPU: as Q2_K, with scales and minima of one.
#import quant/q2_k

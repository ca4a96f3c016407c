// IQ4_XS on the GPU: as IQ4_NL.
#import quant/iq4_nl

"""The first import of a fork server. From then on, Ctrl-C ends its imports at once and without a traceback.

`parallel` starts the server with SIGINT blocked. When the imports are done, the server ignores it.
"""

import signal


signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

"""A star of hosts on one Linux bridge, made and, after so many seconds, taken away by Mininet: the seconds of each. Run in namespaces of its own."""
import resource
import sys
import time

import mininet.net
from mininet.log import setLogLevel
from mininet.nodelib import LinuxBridge

# It would write sysctls of the whole machine.
mininet.net.fixLimits = lambda: None
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
setLogLevel('error')

began = time.monotonic()
net = mininet.net.Mininet(switch=LinuxBridge, controller=None, build=False, ipBase='10.0.0.0/16')
switch = net.addSwitch('s1')
for number in range(1, int(sys.argv[1]) + 1):
    address = '10.0.%d.%d/16' % divmod(number, 256)
    net.addLink(net.addHost('h%d' % number, ip=address, defaultRoute='via 10.0.255.254'), switch)
net.build()
net.start()
created = time.monotonic()
time.sleep(float(sys.argv[2]))
stopping = time.monotonic()
net.stop()
print(created - began, time.monotonic() - stopping)

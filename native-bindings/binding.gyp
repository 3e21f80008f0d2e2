{
  'targets': [{
    'target_name': 'packet_io',
    'sources': [
      'src/binding.c', 'src/binding-arguments.c', 'src/binding-interface.c', 'src/binding-port.c',
      'src/features.c', 'src/health.c', 'src/link.c', 'src/receive.c', 'src/socket.c', 'src/transmit.c', 'src/wait.c',
    ],
    'defines': ['NAPI_VERSION=8'],
    'cflags': ['-std=c11', '-O2', '-Wall', '-Wextra', '-fvisibility=hidden'],
  }],
}

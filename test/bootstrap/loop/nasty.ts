/** Values that shells, files and readers of them have got wrong before. */
export const NASTY = [
  'line one\nline two\r\n\ttabbed\n',
  `'single' "double" \`back\``,
  // biome-ignore lint/suspicious/noTemplateCurlyInString: shells would put something in
  '$HOME $(id) ${PATH} $$ \\$',
  '😀 ünïcödé 漢字 \u0001\u001b[31m',
  '  leading and trailing  ',
  'a=b==c=',
  '\\n \\\\ \\x41',
  '# no comment; rm -rf / & | > < * ? !',
  '-----BEGIN KEY-----\nMIIB\n-----END KEY-----',
  '%s %n %PATH% \u2028',
  `it's`,
  '',
  'true',
  '0123',
  '\n',
];

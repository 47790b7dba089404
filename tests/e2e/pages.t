#!/usr/bin/perl
# Pages say what the programs do: every message of a source stands in a page,
# and trapline-control(5) has the defaults and ranges of config.c.
use strict;
use warnings;
use Test::More;

sub slurp {
    my ($path) = @_;
    open my $in, '<', $path or BAIL_OUT("$path: $!");
    local $/;
    return scalar <$in>;
}

# A page's words, macros and escapes dropped.
sub words {
    my ($page) = @_;
    my $text = slurp($page);
    $text =~ s/\\[&%]//g;
    $text =~ s/^\.//mg;
    $text =~ s/\b(It|D1|Dl|Li|Ar|Ns|Pa|Ql|Xr|No)\b//g;
    $text =~ s/["\\]//g;
    $text =~ s/\s+/ /g;
    return $text;
}

my @pages = glob '{lib,edge,smtpd,filters,deliver,run}/*.[1578]';
my $words = join ' ', map { words($_) } @pages;

for my $source (glob '{lib,edge,smtpd,filters,deliver}/*.c') {
    my $text = slurp($source);
    my $calls = qr/(?:log_start|stage_log|session_log|start_log|broken|
                      break_off|report|log_failure)\s*\(/x;
    my %events;
    while ($text =~ /$calls([^;{]*?)"((?:[^"\\]|\\.)+)"/g) {
        my ($before, $event) = ($1, $2);
        $events{$event} = 1 if $before !~ /"/ && $event !~ /%/;
    }
    next if !%events;
    my @missing = grep { index($words, $_) < 0 } sort keys %events;
    is("@missing", '', "messages of $source");
}

# An option that mdoc takes for a macro is not to be seen.
for my $page (@pages) {
    my @macros = slurp($page) =~ /\bFl (?!Ar|Ns)([A-Z][a-z])\b/g;
    is("@macros", '', "options of $page");
}

my $control = words('lib/trapline-control.5');
my $config = slurp('smtpd/config.c');
my $count = 0;
my $define = slurp('smtpd/config.h') =~ /CONFIG_LINE_MAX (\d+)/ ? $1 : '?';
while ($config =~ /\{"(\w+)", (\d+), ([\w \/]+), (\d+), /g) {
    my ($name, $least, $most, $default) = ($1, $2, $3, $4);
    $most =~ s/CONFIG_LINE_MAX/$define/;
    $most =~ s/UINT64_MAX \/ 2/9223372036854775807/;
    next if $name eq 'strictaddress';
    my ($entry) = $control =~ / $name trap-smtpd 8 \. (.*?default \d+)/;
    like($entry // '', qr/ $least to $most; default $default$/,
         "$name: range and default");
    my $shipped = "run/trap/control/$name";
    is((split /\n/, slurp($shipped))[0], $default, "... as it is shipped");
    $count++;
}
cmp_ok($count, '>=', 8, 'numbers of config.c');
done_testing();

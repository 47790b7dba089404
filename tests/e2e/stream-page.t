#!/usr/bin/perl
# Every file and every transcript of trapline-stream(7), as it stands there:
# what is behind a "$ " is run, what is below it must come out.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use Test::More;

my $top = abs_path('.');
my $build = abs_path($ENV{BUILD} // 'build');
my $page = 'lib/trapline-stream.7';
my $folder = tempdir('trapline-stream.XXXXXX', TMPDIR => 1, CLEANUP => 1);
my (%file, @transcript, $cc);

sub unescape {
    my ($text) = @_;
    $text =~ s/\\&//g;
    $text =~ s/\\e/\\/g;
    return $text;
}

# The blocks behind a comment .\" example: ...
sub read_page {
    open my $in, '<', $page or BAIL_OUT("$page: $!");
    local $/;
    my $text = <$in>;
    while ($text =~ /^\.\\" example: (.*)\n\.Bd .*\n((?s:.*?))^\.Ed$/mg) {
        my ($what, $block) = ($1, unescape($2));
        if ($what =~ /^file (\S+)$/) {
            $file{$1} = $block;
        } else {
            push @transcript, $block;
        }
    }
    ($cc) = $text =~ /^(cc .*)$/m;
}

sub write_file {
    my ($name, $text) = @_;
    open my $out, '>', "$folder/$name" or BAIL_OUT("$name: $!");
    print $out $text;
    close $out or BAIL_OUT("$name: $!");
    chmod 0755, "$folder/$name";
}

# The page's own command, with this build in place of build/, under the
# sanitizers if that is.
sub compile {
    my ($source, $program) = @_;
    my @flags = qw(-Wall -Wextra -Werror);
    push @flags, '-fsanitize=address,undefined'
        if `nm '$build/obj/lib.a' 2>/dev/null` =~ /__asan_init/;
    my ($command, @words) = split ' ', $cc;
    for (@words) {
        s{^build/}{$build/};
        s{^(\Q$source\E|\Q$program\E)$}{$folder/$1};
    }
    return system($command, @flags, @words) == 0;
}

# Names of jobs differ, their form does not.
sub plain {
    my ($text) = @_;
    $text =~ s/\b50\.\d{20}\.[0-9A-Za-z+_-]+(\.\d+)*/JOB/g;
    return $text;
}

sub run_transcript {
    my ($text) = @_;
    for my $step (split /^\$ /m, $text) {
        next if $step eq '';
        my ($command, $wanted) = split /\n/, $step, 2;
        open my $shell, '-|', 'sh', '-c', "cd '$folder' && { $command\n} 2>>log"
            or BAIL_OUT("sh: $!");
        my $got = do { local $/; <$shell> } // '';
        close $shell;
        $got .= "\n" if $got ne '' && $got !~ /\n\z/;
        is(plain($got), plain($wanted), $command);
    }
}

read_page();
delete $ENV{TRAPLINE_CONTROL};
$ENV{PATH} = "$build:$ENV{PATH}";
is(join(' ', sort keys %file), 'nodomain sizecheck.c', 'the files of the page');
is(scalar @transcript, 4, 'its transcripts');
write_file($_, $file{$_}) for keys %file;
ok(compile('sizecheck.c', 'sizecheck'), 'the filter in C compiles');
run_transcript($_) for @transcript;
is(scalar(() = glob "$folder/incoming/queue/*"), 2,
   'two messages are in the queue');
my $log = do { local (@ARGV, $/) = "$folder/log"; <> };
like($log, qr/^received-line: fatal: command out of order line="RCPT TO:<a\@b>"$/m,
     'the log line of the page');
like($log, qr/^sizecheck: refused most=4$/m, 'the filter logs');
done_testing();

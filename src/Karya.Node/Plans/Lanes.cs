using System.Buffers.Text;
using System.Globalization;
using System.IO.Hashing;
using System.Text;

namespace Karya.Node.Plans;

/// <summary>
/// Which target a task goes to, as a number. Tasks of one lane share its limit of concurrent attempts, so that a target
/// that hangs holds up only its own. Two targets may fall into one lane; one target never has two.
/// </summary>
/// <remarks>
/// The numbers are stored with the plans: the texts that are hashed and the hash must stay as they are.
/// </remarks>
internal static class Lanes
{
    // A DNS name has at most 253 characters. What is longer cannot be reached, and need not be told apart.
    private const int HostCharsMax = 255;

    private const int TaskNameBytesMax = 128;
    private const int PortBytesMax = 12;

    public static readonly uint Chained = Hash("chained");
    public static readonly uint Slack = Hash("slack");
    public static readonly uint Email = Hash("email");

    /// <summary>Never throws: whether the target is valid is found out when it is called.</summary>
    public static uint Of(PlanAction action) => action switch
    {
        RestAction rest => OfRest(rest),
        SlackAction => Slack,
        EmailAction => Email,
        KafkaAction kafka => OfTopic(kafka.Topic),
        ChainedAction => Chained,
        WorkerAction worker => OfTask(worker.Name),
        _ => 0,
    };

    public static uint OfTopic(string topic) => Hash("kafka:" + topic);

    /// <summary>Workers pull from it; no connector's limit applies.</summary>
    public static uint OfTask(string name) => Hash("task:" + name);

    /// <summary>The same of a name in ASCII, without making a text of it.</summary>
    public static uint OfTask(ReadOnlySpan<byte> name)
    {
        Span<byte> target = stackalloc byte["task:".Length + TaskNameBytesMax];
        "task:"u8.CopyTo(target);
        int length = Math.Min(name.Length, TaskNameBytesMax);
        name[..length].CopyTo(target["task:".Length..]);
        return XxHash32.HashToUInt32(target[..("task:".Length + length)]);
    }

    /// <summary>The lane of a REST action, by its host in ASCII.</summary>
    public static uint OfHost(ReadOnlySpan<byte> host, int port)
    {
        Span<byte> target = stackalloc byte["rest:".Length + HostCharsMax + PortBytesMax];
        "rest:"u8.CopyTo(target);
        int length = Math.Min(host.Length, HostCharsMax);
        Ascii.ToLower(host[..length], target["rest:".Length..], out int written);
        int end = "rest:".Length + written;
        target[end++] = (byte)':';
        Utf8Formatter.TryFormat(port, target[end..], out written);
        return XxHash32.HashToUInt32(target[..(end + written)]);
    }

    private static uint OfRest(RestAction rest)
    {
        var authority = RestTarget.AuthorityOf(RestTarget.WithoutScheme(rest.BaseUrl));
        var hostAndPort = authority[(authority.LastIndexOf('@') + 1)..];

        // The colons of an IPv6 literal are inside brackets; a port's colon is behind them.
        int colon = hostAndPort.LastIndexOf(':');
        if (colon < hostAndPort.LastIndexOf(']'))
            colon = -1;

        var host = colon < 0 ? hostAndPort : hostAndPort[..colon];
        if (host.Length > HostCharsMax)
            host = host[..HostCharsMax];

        int port = rest.Https ? 443 : 80;
        if (colon >= 0 && TryReadPort(hostAndPort[(colon + 1)..], out int written))
            port = written;

        return Hash(string.Create(CultureInfo.InvariantCulture, $"rest:{host}:{port}").ToLowerInvariant());
    }

    private static bool TryReadPort(ReadOnlySpan<char> digits, out int port) =>
        int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out port);

    private static uint Hash(string target) => XxHash32.HashToUInt32(Encoding.UTF8.GetBytes(target));
}

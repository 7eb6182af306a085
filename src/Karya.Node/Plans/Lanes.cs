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

    /// <summary>Never throws: whether the target is valid is found out when it is called.</summary>
    public static uint Of(PlanAction action) => action switch
    {
        RestAction rest => OfRest(rest),
        SlackAction => Hash("slack"),
        EmailAction => Hash("email"),
        KafkaAction kafka => Hash("kafka:" + kafka.Topic),
        ChainedAction => Hash("chained"),
        _ => 0,
    };

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

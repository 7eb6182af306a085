using System.Collections.Frozen;

namespace Karya.Node.Plans;

/// <summary>
/// Ports at which something listens that speaks no HTTP, and that a request could talk into something: lines of it are
/// commands to a mail server or a cache. No REST call goes there, at whatever address. Pure.
/// </summary>
internal static class ServicePorts
{
    private static readonly FrozenDictionary<int, string> Services = new Dictionary<int, string>
    {
        [20] = "FTP",
        [21] = "FTP",
        [22] = "SSH",
        [23] = "Telnet",
        [25] = "SMTP",
        [53] = "DNS",
        [69] = "TFTP",
        [110] = "POP3",
        [111] = "portmap",
        [119] = "NNTP",
        [135] = "RPC",
        [137] = "NetBIOS",
        [138] = "NetBIOS",
        [139] = "NetBIOS",
        [143] = "IMAP",
        [161] = "SNMP",
        [389] = "LDAP",
        [445] = "SMB",
        [465] = "SMTP",
        [512] = "rexec",
        [513] = "rlogin",
        [514] = "syslog",
        [515] = "LPD",
        [587] = "SMTP",
        [636] = "LDAP",
        [873] = "rsync",
        [990] = "FTP",
        [993] = "IMAP",
        [995] = "POP3",
        [1433] = "SQL Server",
        [1521] = "Oracle",
        [1883] = "MQTT",
        [2049] = "NFS",
        [2181] = "ZooKeeper",
        [3306] = "MySQL",
        [3389] = "RDP",
        [4222] = "NATS",
        [5060] = "SIP",
        [5432] = "Postgres",
        [5672] = "AMQP",
        [5900] = "VNC",
        [6379] = "Redis",
        [6380] = "Redis",
        [9042] = "Cassandra",
        [9092] = "Kafka",
        [9093] = "Kafka",
        [11211] = "memcached",
        [26379] = "Redis",
        [27017] = "MongoDB",
    }.ToFrozenDictionary();

    /// <summary>What listens at a port of another protocol; null when HTTP may.</summary>
    public static string? NameOf(int port) => Services.GetValueOrDefault(port);
}

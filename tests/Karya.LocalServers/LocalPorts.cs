using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Karya.LocalServers;

/// <summary>
/// Free ports for servers that give theirs up for a while and want the same one back. They lie below the range from
/// which the system takes the ports of outgoing connections: else, while the server is down, a client that keeps
/// trying may be given that very port, connect to itself, and keep the server from coming back.
/// </summary>
internal static class LocalPorts
{
    private const int PortMin = 10_000;
    private const int TriesMax = 100;
    private const int StartsMax = 10;
    private const string RangeFile = "/proc/sys/net/ipv4/ip_local_port_range";

    /// <summary>What is wrong when <see cref="TryFree"/> has found none.</summary>
    public static string AllTaken => $"{StartsMax} ports that were free a moment before were taken.";

    /// <summary>Tries to start a server on one free port after the other, until it could have it.</summary>
    public static bool TryFree(Func<int, bool> start)
    {
        for (int tried = 0; tried < StartsMax; tried++)
        {
            if (start(FindFree()))
                return true;
        }

        return false;
    }

    public static int FindFree()
    {
        int outgoingMin = int.Parse(
            File.ReadAllText(RangeFile).Split('\t', ' ')[0], CultureInfo.InvariantCulture);
        for (int tried = 0; outgoingMin > PortMin && tried < TriesMax; tried++)
        {
            int port = Random.Shared.Next(PortMin, outgoingMin);
            if (TryBind(port) is not null)
                return port;
        }

        return TryBind(0) ?? throw new InvalidOperationException("127.0.0.1 has no free port.");
    }

    private static int? TryBind(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            socket.Listen();   // With SO_REUSEADDR two may bind, but one listens.
            return ((IPEndPoint)socket.LocalEndPoint!).Port;
        }
        catch (SocketException)
        {
            return null;
        }
    }
}
